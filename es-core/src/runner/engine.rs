//! One part of a projection: claim its lease, and work while it lasts.
//!
//! Whatever goes wrong inside a transaction ends it without commit, so a batch has taken effect wholly, with its checkpoint, or
//! not at all. Whenever it is not certain what is committed, the lease is claimed again, and with it comes the checkpoint.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{BoxError, Error};
use crate::read_model::{AdvanceError, Claim, FailureClass, Lease, ProjectionId, ReadModelStore};
use crate::retry::{Retry, pass};
use crate::runner::cause::{Cause, class_of};
use crate::runner::feed::Feed;
use crate::runner::guard::{chain, guarded};
use crate::runner::observe::{self, Part};
use crate::runner::owned::Owned;
use crate::runner::pace::Pace;
use crate::runner::page::Page;
use crate::runner::progress::Seat;
use crate::runner::work::Work;
use crate::runner::{Phase, Progress, Settings, StopReason};
use crate::slices::Slices;
use crate::store::EventFilter;

/// The lease is renewed at least this often, which is also how soon word from outside is noticed, and how soon a lease that
/// somebody else let go of.
pub(super) const LONGEST_HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a process keeps its other parts after it has let go of one: whoever wants one claims, and the renewals of this
/// process tell whether it wants another, within a heartbeat each.
const BETWEEN_YIELDS: Duration = Duration::from_millis(1_500);

/// How long to wait between tries while the store is out of reach.
pub(super) const STORE_TROUBLE: Retry =
    Retry::attempts(u32::MAX).base(Duration::from_millis(50)).cap(Duration::from_secs(5));

pub(super) struct Engine<S: ReadModelStore, W: Work<S>> {
    pub(super) store: S,
    pub(super) work: Arc<W>,
    pub(super) id: ProjectionId,
    pub(super) filter: EventFilter,
    pub(super) settings: Settings,
    pub(super) feed: Arc<Feed>,
    pub(super) pace: Pace,
    pub(super) seat: Seat,
    pub(super) part: Part,
    owner: Uuid,
    stop: watch::Receiver<bool>,
    /// Told when the projection is not divided any more as it was.
    divided: Arc<Notify>,
    /// When a part of the projection was let go of last, so that others have it.
    yielded: Arc<Mutex<Option<Instant>>>,
    /// How many times in a row the store was in trouble.
    troubles: u32,
    /// Whether this version was made the one that serves, where that is wanted.
    pub(super) serves: bool,
    /// The page behind the one that was taken in last, if it was read meanwhile, under the same lease.
    pub(super) ahead: Option<Page<W::Event>>,
}

/// Whose engine it is, and by whom it is told.
pub(super) struct Post<S, W> {
    pub(super) store: S,
    pub(super) work: Arc<W>,
    pub(super) filter: EventFilter,
    pub(super) id: ProjectionId,
    pub(super) settings: Settings,
    pub(super) feed: Arc<Feed>,
    pub(super) owner: Uuid,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) divided: Arc<Notify>,
    pub(super) yielded: Arc<Mutex<Option<Instant>>>,
}

/// How an engine ends.
pub(super) enum End {
    /// The part is not there any more.
    Gone,
    Stopped(StopReason),
}

/// Why the engine cannot simply go on.
pub(super) enum Halt {
    /// The lease is gone, or the checkpoint is in doubt, or somebody asked to stop: claim again, unless it is to stop.
    Claim,
    /// Another process should have the part: let go of it, and do not claim it again at once.
    Yield,
    /// There is no such part any more.
    Gone,
    /// The store failed.
    Store(Error),
    /// There is no going on.
    Stop(StopReason),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<AdvanceError> for Halt {
    fn from(error: AdvanceError) -> Self {
        match error {
            AdvanceError::Fenced(_) => Self::Claim,
            AdvanceError::Store(error) => Self::Store(error),
        }
    }
}

/// Turns: the lease is claimed, and held while it lasts.
impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    pub(super) fn new(post: Post<S, W>, seat: Seat, slices: Slices) -> Self {
        let Post { store, work, filter, id, settings, feed, owner, stop, divided, yielded } = post;
        Self {
            filter,
            part: Part::new(&id, slices),
            pace: Pace::new(settings.batch, settings.lease),
            store,
            work,
            id,
            settings,
            feed,
            seat,
            owner,
            stop,
            divided,
            yielded,
            troubles: 0,
            serves: !settings.serve,
            ahead: None,
        }
    }

    /// What all its work is to be done in.
    pub(super) fn span(&self) -> tracing::Span {
        self.part.span()
    }

    pub(super) async fn run(mut self) -> End {
        let end = match guarded(self.turns()).await {
            Ok(end) => end,
            Err(panicked) => End::Stopped(StopReason::Store { error: panicked.to_string() }),
        };
        self.let_go(&end).await;
        if let End::Gone = end {
            self.seat.leave();
        }
        end
    }

    async fn turns(&mut self) -> End {
        while !self.is_asked_to_stop() {
            match self.turn().await {
                Ok(()) | Err(Halt::Claim) => {}
                Err(Halt::Yield) => self.yield_part().await,
                Err(Halt::Gone) => return End::Gone,
                Err(Halt::Store(error)) if error.is_transient() => self.bear_with(&error).await,
                Err(Halt::Store(error)) => return End::Stopped(self.lasting_trouble(&error).await),
                Err(Halt::Stop(reason)) => return End::Stopped(reason),
            }
        }
        End::Stopped(StopReason::Asked)
    }

    /// Where nobody knows the projection any more, that is the trouble.
    async fn lasting_trouble(&self, error: &Error) -> StopReason {
        match self.store.parts(&self.id).await {
            Ok(parts) if parts.is_empty() => StopReason::Dropped,
            _ => StopReason::Store { error: chain(error) },
        }
    }

    /// Claims the lease and works while it lasts.
    async fn turn(&mut self) -> Result<(), Halt> {
        match self.store.claim(&self.id, self.seat.first(), self.owner, self.settings.lease).await? {
            Claim::Granted(lease) => self.turn_under(lease).await,
            Claim::Held { owner } => {
                self.part.waits(observe::ELSEWHERE, Some(owner));
                self.publish(|progress| progress.phase = Phase::Elsewhere { owner });
                self.rest(self.heartbeat()).await;
                Ok(())
            }
            Claim::Paused => {
                self.part.waits(observe::PAUSED, None);
                self.publish(|progress| progress.phase = Phase::Paused);
                self.rest(Settings::LONGEST_POLL).await;
                Ok(())
            }
            Claim::Waiting => {
                self.part.waits(observe::TASK, None);
                self.publish(|progress| progress.phase = Phase::Working);
                self.rest(self.settings.poll).await;
                Ok(())
            }
            Claim::Gone => {
                self.part.waits(observe::GONE, None);
                Err(Halt::Gone)
            }
        }
    }

    async fn turn_under(&mut self, lease: Lease) -> Result<(), Halt> {
        self.ahead = None;
        let before = self.seat.hold(Some(lease.clone()));
        if before.is_none_or(|before| before.parts != lease.parts) {
            self.divided.notify_one();
        }
        self.part.claimed(&lease);
        let wanted = Arc::new(AtomicBool::new(false));
        let beats = self.beat(lease.clone(), Arc::clone(&wanted));
        // Side by side, so that neither waits for the other while it waits for the store.
        tokio::select! {
            worked = Box::pin(self.work_under(lease, wanted)) => worked.map(|never| match never {}),
            beaten = beats => beaten.map(|never| match never {}),
        }
    }

    /// Others learn why, and need not wait until the lease runs out. Where the store cannot be reached, it runs out by itself.
    async fn let_go(&mut self, end: &End) {
        let Some(lease) = self.seat.hold(None) else { return };
        let told = async {
            match end {
                End::Stopped(reason) => {
                    // Without a class it did not stop by a failure.
                    if let Some(class) = reason.class() {
                        let _ = self.store.report_stop(&lease, &reason.to_string(), class).await;
                    }
                }
                End::Gone => {}
            }
            let _ = self.store.release(&lease).await;
        };
        let _ = tokio::time::timeout(self.settings.lease, told).await;
    }

    /// Has somebody else take the part over.
    async fn yield_part(&mut self) {
        if let Some(lease) = self.seat.hold(None) {
            // Where the store cannot be reached, the lease runs out by itself.
            let _ = self.store.release(&lease).await;
        }
        self.part.waits(observe::YIELDED, None);
        self.rest(LONGEST_HEARTBEAT * 2).await;
    }

    /// All parts of this process learn that one is wanted. Only one is let go of at once, and the next one not before it could
    /// have been claimed: otherwise all of them would be handed to and fro.
    pub(super) fn is_its_turn_to_yield(&self) -> bool {
        let mut yielded = self.yielded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_turn = yielded.is_none_or(|before| before.elapsed() > BETWEEN_YIELDS);
        if is_turn {
            *yielded = Some(Instant::now());
        }
        is_turn
    }

    async fn bear_with(&mut self, error: &Error) {
        self.troubles = self.troubles.saturating_add(1);
        let (error, attempts) = (chain(error), self.troubles);
        let wait = STORE_TROUBLE.draw_wait(attempts);
        self.part.store_trouble(&error, attempts, wait);
        let class = FailureClass::Store;
        self.publish(|progress| progress.phase = Phase::Retrying { error, class, attempts });
        self.unless_asked_to_stop(pass(wait)).await;
    }

    async fn work_under(&mut self, lease: Lease, wanted: Arc<AtomicBool>) -> Result<Infallible, Halt> {
        if let Some(task) = lease.task {
            self.do_task(&lease, task).await?;
            return Err(Halt::Claim);
        }
        // A batch that was under way when the last lease was lost.
        self.pace.ended(0);
        let letters = self.store.dead_letters(&self.id).await?;
        let mut owned = Owned::new(lease, letters, self.settings.poll, wanted);
        self.publish(|progress| {
            progress.position = owned.position;
            progress.phase = Phase::Working;
        });
        self.settle_letters(&mut owned).await?;
        loop {
            self.step(&mut owned).await?;
            self.troubles = 0;
        }
    }

    pub(super) fn heartbeat(&self) -> Duration {
        (self.settings.lease / 4).min(LONGEST_HEARTBEAT)
    }

    /// Waits until trouble with a batch may have passed.
    pub(super) async fn wait_out(&mut self, error: &BoxError, attempts: u32, retry: Retry) -> Result<(), Halt> {
        let (Cause { class, error }, wait) = (Cause::of(&self.store, error), retry.draw_wait(attempts));
        self.part.tries_again(&error, attempts, wait);
        self.publish(|progress| progress.phase = Phase::Retrying { error, class, attempts });
        self.unless_asked_to_stop(pass(wait)).await;
        if self.is_asked_to_stop() { Err(Halt::Claim) } else { Ok(()) }
    }

    /// Waits until trouble with the store may have passed, if the error is of that kind; otherwise the error comes back.
    pub(super) async fn wait_out_trouble(&mut self, error: BoxError, attempts: u32) -> Result<(), TroubleError> {
        self.part.failed(class_of(&self.store, &error));
        if !self.store.is_transient(&error) {
            return Err(TroubleError::Lasting(error));
        }
        self.wait_out(&error, attempts, STORE_TROUBLE).await.map_err(TroubleError::Halt)
    }

    pub(super) async fn rest(&self, wait: Duration) {
        self.unless_asked_to_stop(tokio::time::sleep(wait)).await;
    }

    async fn unless_asked_to_stop(&self, wait: impl Future<Output = ()>) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = wait => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    pub(super) fn publish(&self, change: impl FnOnce(&mut Progress)) {
        self.seat.publish(change);
    }
}

/// Why trouble was not waited out.
pub(super) enum TroubleError {
    /// The projection's own code failed in a way that will not pass.
    Lasting(BoxError),
    Halt(Halt),
}
