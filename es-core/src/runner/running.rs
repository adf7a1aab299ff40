//! Projections that run: waited for, looked at, stopped.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::aggregate::Aggregate;
use crate::execute::Outcome;
use crate::read_model::{ProjectionId, ProjectionState, ReadModelStore};
use crate::recorded::Position;
use crate::runner::observe;
use crate::runner::progress::Board;
use crate::runner::wait::{self, DEFAULT_WAIT, OfCommand, Stops, WaitError, Wanted};
use crate::runner::{Phase, Progress, Settings, StopReason};

/// Projections that run. Dropping it stops them at their next turn; [`stop`](Self::stop) waits until they have.
///
/// # Example: look at how they are doing
///
/// ```
/// # use es_core::{Document, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Opened }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Balance;
/// # impl Document for Balance {
/// #     const NAME: &'static str = "balance";
/// #     type Event = AccountEvent;
/// #     fn key(_: &Recorded<AccountEvent>) -> impl IntoKeys {}
/// #     fn apply(&mut self, _: &Recorded<AccountEvent>) {}
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use es_core::{Phase, ReadModelStore, Runner, StopReason};
///
/// let store = es_memory::MemoryStore::new();
/// let running = Runner::new(store.clone()).document::<Balance>().start().await?;
/// running.catch_up().await?;
/// assert_eq!(store.projections().await?[0].lag_events, 0);
///
/// let ended = running.stop().await;
/// assert_eq!(ended[0].1, StopReason::Asked);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it stops the projections"]
pub struct Running<S> {
    store: S,
    stop: watch::Sender<bool>,
    projections: Vec<Started>,
}

/// A projection that was started.
pub(super) struct Started {
    pub(super) id: ProjectionId,
    pub(super) board: Arc<Board>,
    pub(super) task: JoinHandle<()>,
}

impl<S: ReadModelStore> Running<S> {
    /// How long a wait lasts at the most, by default.
    pub const DEFAULT_WAIT: Duration = DEFAULT_WAIT;

    pub(super) fn new(store: S, stop: watch::Sender<bool>, projections: Vec<Started>) -> Self {
        Self { store, stop, projections }
    }

    /// Waits until all projections have taken in the events of a command, for at most [`DEFAULT_WAIT`](Self::DEFAULT_WAIT).
    ///
    /// # Errors
    /// [`WaitError`] when one has stopped, is paused, has [parked](WaitError::Parked) the command's stream or
    /// [left out](WaitError::LeftOut) one of its events, or the time is up.
    pub async fn wait_for<A: Aggregate>(&self, outcome: &Outcome<A>) -> Result<(), WaitError> {
        match OfCommand::of(outcome) {
            Some(of_command) => self.take_in(Some(of_command), Self::DEFAULT_WAIT).await,
            None => Ok(()),
        }
    }

    /// Waits until all projections have taken in everything that was stored before the call, for at most
    /// [`DEFAULT_WAIT`](Self::DEFAULT_WAIT). A projection that is to be rebuilt or rewound has done so then, and parked streams that
    /// are to be [tried again](crate::Control::RetryDeadLetters), or to go on without an event, have been: those that failed
    /// again are parked again. What is parked or was left out is not waited for.
    ///
    /// # Errors
    /// [`WaitError`] when one has stopped, is paused, or the time is up.
    pub async fn catch_up(&self) -> Result<(), WaitError> {
        self.catch_up_within(Self::DEFAULT_WAIT).await
    }

    /// Like [`catch_up`](Self::catch_up), for at most `deadline`.
    ///
    /// # Errors
    /// As for [`catch_up`](Self::catch_up).
    pub async fn catch_up_within(&self, deadline: Duration) -> Result<(), WaitError> {
        let end = Instant::now().checked_add(deadline);
        self.take_in(None, deadline).await?;
        self.settle_letters(end).await
    }

    /// Waits until everything is taken in that was stored before the call, and these events in particular.
    async fn take_in(&self, of_command: Option<OfCommand>, deadline: Duration) -> Result<(), WaitError> {
        let wanted = Wanted::by_now(&self.store, of_command).await?;
        let ids: Vec<ProjectionId> = self.projections.iter().map(|projection| projection.id.clone()).collect();
        tokio::select! {
            reached = wait::until(&self.store, &ids, &wanted, deadline, Stops::AreTakenOver) => reached?,
            (id, reason) = self.stopped_before(&wanted) => return Err(WaitError::Stopped { id, reason }),
        }
        for projection in &self.projections {
            projection.tells_of(wanted.place).await;
        }
        self.projections.iter().find_map(Started::refused).map_or(Ok(()), Err)
    }

    /// Waits until no dead letter is left that somebody wants tried again or discarded.
    async fn settle_letters(&self, end: Option<Instant>) -> Result<(), WaitError> {
        let mut poll = wait::POLL;
        loop {
            // Looked at before the question: one that has stopped settles nothing after it.
            let phases: Vec<Phase> = self.projections.iter().map(|p| p.board.progress().phase).collect();
            let all = self.store.projections().await?;
            let unsettled = self.projections.iter().zip(phases).find_map(|(projection, phase)| {
                let status = all.iter().find(|status| status.id == projection.id && status.requested > 0)?;
                Some((status, phase))
            });
            let Some((status, phase)) = unsettled else { return Ok(()) };
            let id = status.id.clone();
            match (phase, &status.state) {
                (Phase::Stopped(reason), _) => return Err(WaitError::Stopped { id, reason }),
                // One that has stopped elsewhere and is paused here tells of the stop.
                (Phase::Paused, _) | (_, ProjectionState::Paused) => return Err(WaitError::Paused { id }),
                _ if end.is_some_and(|end| end <= Instant::now()) => {
                    return Err(WaitError::Unsettled { id, requested: status.requested });
                }
                _ => tokio::time::sleep(poll).await,
            }
            poll = (poll * 2).min(Settings::LONGEST_POLL);
        }
    }

    /// How far the projections have come, and what they do in this process. For what they do in all processes, ask
    /// [`projections`](ReadModelStore::projections) of the store.
    pub fn progress(&self) -> Vec<(ProjectionId, Progress)> {
        self.projections.iter().map(|p| (p.id.clone(), p.board.progress())).collect()
    }

    /// Resolves when one of the projections has stopped, with the reason. Of the first one; asked again, it tells of the same. How
    /// all of them are, [`progress`](Self::progress) tells: [`Phase::Stopped`].
    pub async fn stopped(&self) -> (ProjectionId, StopReason) {
        first_of(self.projections.iter().map(Started::stopped)).await
    }

    /// Resolves when one of the projections has stopped that has not taken in what is wanted.
    async fn stopped_before(&self, wanted: &Wanted) -> (ProjectionId, StopReason) {
        first_of(self.projections.iter().map(|projection| async move {
            let (id, reason) = projection.stopped().await;
            let lacking = wait::lacking(&self.store, std::slice::from_ref(&id), wanted).await;
            if !lacking.is_ok_and(|lacking| !lacking.is_empty()) {
                // It has got there, or whoever waits for all of them learns of the trouble.
                std::future::pending::<()>().await;
            }
            (id, reason)
        }))
        .await
    }

    /// Stops them all after the batch they are at, and gives their leases back.
    pub async fn stop(mut self) -> Vec<(ProjectionId, StopReason)> {
        self.stop.send_replace(true);
        let mut reasons = Vec::with_capacity(self.projections.len());
        for projection in self.projections.drain(..) {
            let reason = projection.stopped().await;
            // A task that has reported its end has nothing left to do.
            let _ = projection.task.await;
            reasons.push(reason);
        }
        reasons
    }

    /// Like [`stop`](Self::stop), but lets go after `deadline` of whatever is not done by then. What was under way is rolled
    /// back.
    pub async fn stop_within(mut self, deadline: Duration) -> Vec<(ProjectionId, StopReason)> {
        self.stop.send_replace(true);
        let until = Instant::now().checked_add(deadline);
        let mut reasons = Vec::with_capacity(self.projections.len());
        for mut projection in std::mem::take(&mut self.projections) {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            match tokio::time::timeout(left, projection.stopped()).await {
                Ok(reason) => reasons.push(reason),
                Err(_) => {
                    observe::cut_off(&projection.id);
                    projection.task.abort();
                    // A moment, so that it does not claim once more behind our back.
                    let _ = tokio::time::timeout(Settings::SHORTEST_LEASE, &mut projection.task).await;
                    self.release(&projection).await;
                    reasons.push((projection.id, StopReason::Asked));
                }
            }
        }
        reasons
    }

    /// Gives back the leases of a projection that was cut off, so that others need not wait for them to run out.
    async fn release(&self, projection: &Started) {
        for lease in projection.board.leases() {
            let _ = tokio::time::timeout(Settings::SHORTEST_LEASE, self.store.release(&lease)).await;
        }
    }
}

impl Started {
    /// What is committed is told a moment later. Whoever has waited for it should not be told of what was before.
    async fn tells_of(&self, wanted: Position) {
        let mut progress = self.board.watch();
        let told = progress.wait_for(|progress| match progress.phase {
            Phase::Starting | Phase::Working | Phase::Idle | Phase::Retrying { .. } => progress.position >= wanted,
            Phase::Elsewhere { .. } | Phase::Paused | Phase::Stopped(_) => true,
        });
        let _ = tokio::time::timeout(Settings::SHORTEST_LEASE, told).await;
    }

    /// One that was to go back and could not is where it was, which is not what anybody has waited for.
    fn refused(&self) -> Option<WaitError> {
        match self.board.progress().phase {
            Phase::Stopped(reason @ (StopReason::NotRebuilt { .. } | StopReason::NotRewound { .. })) => {
                Some(WaitError::Stopped { id: self.id.clone(), reason })
            }
            _ => None,
        }
    }

    /// Waits until the projection has stopped.
    async fn stopped(&self) -> (ProjectionId, StopReason) {
        (self.id.clone(), self.board.ended().await)
    }
}

/// What the first of the futures has to say that is done.
async fn first_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> T {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        let ready = futures.iter_mut().find_map(|future| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl<S> fmt::Debug for Running<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.projections.iter().map(|p| (&p.id, p.board.progress().phase)).collect();
        f.debug_struct("Running").field("projections", &ids).finish_non_exhaustive()
    }
}
