//! One projection: claim the lease, read a page, take it in, move the checkpoint, commit, and again.
//!
//! Whatever goes wrong inside a transaction ends it without commit, so a batch has taken effect wholly, with its checkpoint, or
//! not at all. Whenever it is not certain what is committed, the lease is claimed again, and with it comes the checkpoint.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{BoxError, Error};
use crate::read_model::{AdvanceError, Claim, DeadLetter, Lease, ProjectionId, ReadModelStore, ReadModelTransaction};
use crate::recorded::{Position, Recorded};
use crate::retry::Retry;
use crate::runner::guard::{chain, guarded};
use crate::runner::work::Work;
use crate::runner::{Launch, Phase, Progress, Settings, StopReason};
use crate::store::EventFilter;
use crate::stream::StreamId;

/// The lease is renewed at least this often, which is also how soon word from outside is noticed, and how soon a lease that
/// somebody else let go of.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(1);

/// A checkpoint that moved only past events of no interest is written down this often.
const IDLE_CHECKPOINT: Duration = Duration::from_secs(1);

/// How long to wait between tries while the store is out of reach.
const STORE_TROUBLE: Retry = Retry::attempts(u32::MAX).base(Duration::from_millis(50)).cap(Duration::from_secs(5));

pub(super) struct Engine<S, W> {
    pub(super) store: S,
    pub(super) work: W,
    pub(super) id: ProjectionId,
    pub(super) filter: EventFilter,
    pub(super) settings: Settings,
    owner: Uuid,
    progress: watch::Sender<Progress>,
    lease: watch::Sender<Option<Lease>>,
    stop: watch::Receiver<bool>,
    /// How many times in a row the store was in trouble.
    troubles: u32,
}

/// The lease, and what goes with it.
pub(super) struct Owned {
    pub(super) lease: Lease,
    /// Everything up to here was taken in, or is of no interest.
    pub(super) position: Position,
    /// The checkpoint as it is written down.
    written: Position,
    written_at: Instant,
    /// The streams that wait behind a failed event.
    pub(super) parked: HashMap<StreamId, DeadLetter>,
    pub(super) poll: Duration,
}

/// Why the engine cannot simply go on.
pub(super) enum Halt {
    /// The lease is gone, or the checkpoint is in doubt, or somebody asked to stop: claim again, unless it is to stop.
    Claim,
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
    pub(super) fn new(launch: Launch<S>, work: W) -> Self {
        let Launch { store, id, owner, settings, progress, lease, stop } = launch;
        Self { filter: work.filter(), store, work, id, settings, owner, progress, lease, stop, troubles: 0 }
    }

    pub(super) async fn run(mut self) {
        let reason = match guarded(self.turns()).await {
            Ok(reason) => reason,
            Err(panicked) => StopReason::Store { error: panicked.to_string() },
        };
        self.let_go(&reason).await;
        self.publish(|progress| progress.phase = Phase::Stopped(reason));
    }

    async fn turns(&mut self) -> StopReason {
        while !self.is_asked_to_stop() {
            match self.turn().await {
                Ok(()) | Err(Halt::Claim) => {}
                Err(Halt::Store(error)) if error.is_transient() => self.bear_with(&error).await,
                Err(Halt::Store(error)) => return StopReason::Store { error: chain(&error) },
                Err(Halt::Stop(reason)) => return reason,
            }
        }
        StopReason::Asked
    }

    /// Claims the lease and works while it lasts.
    async fn turn(&mut self) -> Result<(), Halt> {
        match self.store.claim(&self.id, self.owner, self.settings.lease).await? {
            Claim::Granted(lease) => {
                self.lease.send_replace(Some(lease.clone()));
                let beats = beat(self.store.clone(), lease.clone(), self.settings.lease);
                // Side by side, so that neither waits for the other while it waits for the store.
                tokio::select! {
                    worked = self.work_under(lease) => worked.map(|never| match never {}),
                    beaten = beats => beaten.map(|never| match never {}),
                }
            }
            Claim::Held { owner } => {
                self.publish(|progress| progress.phase = Phase::Elsewhere { owner });
                self.rest((self.settings.lease / 4).min(LONGEST_HEARTBEAT)).await;
                Ok(())
            }
            Claim::Paused => {
                self.publish(|progress| progress.phase = Phase::Paused);
                self.rest(Settings::LONGEST_POLL).await;
                Ok(())
            }
        }
    }

    /// Others learn why, and need not wait until the lease runs out. Where the store cannot be reached, it runs out by itself.
    async fn let_go(&mut self, reason: &StopReason) {
        let Some(lease) = self.lease.send_replace(None) else { return };
        let told = async {
            if *reason != StopReason::Asked {
                let _ = self.store.report_stop(&lease, &reason.to_string()).await;
            }
            let _ = self.store.release(&lease).await;
        };
        let _ = tokio::time::timeout(self.settings.lease, told).await;
    }

    async fn bear_with(&mut self, error: &Error) {
        self.troubles = self.troubles.saturating_add(1);
        let (error, attempts) = (chain(error), self.troubles);
        self.publish(|progress| progress.phase = Phase::Retrying { error, attempts });
        self.rest_between_tries(STORE_TROUBLE, attempts).await;
    }

    async fn work_under(&mut self, lease: Lease) -> Result<Infallible, Halt> {
        if lease.rebuild {
            self.begin_anew(&lease).await?;
            return Err(Halt::Claim);
        }
        let letters = self.store.dead_letters(&self.id).await?;
        let mut owned = Owned::new(lease, letters, self.settings.poll);
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
}

/// Keeps the lease until it is lost.
async fn beat<S: ReadModelStore>(store: S, lease: Lease, length: Duration) -> Result<Infallible, Halt> {
    let every = (length / 3).min(LONGEST_HEARTBEAT);
    loop {
        tokio::time::sleep(every).await;
        match store.renew(&lease, length).await {
            Ok(true) => {}
            Ok(false) => return Err(Halt::Claim),
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(Halt::Store(error)),
        }
    }
}

/// Rebuilds.
impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// Removes what was written and goes back to the start, at once or not at all.
    async fn begin_anew(&mut self, lease: &Lease) -> Result<(), Halt> {
        self.publish(|progress| progress.phase = Phase::Working);
        let live_from = self.store.log_end().await?;
        let mut transaction = self.store.begin().await?;
        let cleared = guarded(self.work.clear(&self.id, &mut transaction)).await;
        match cleared.map_err(BoxError::from).flatten() {
            Ok(()) => {}
            Err(error) if self.store.is_transient(&error) => return Err(Halt::Store(Error::unavailable(error))),
            Err(error) => {
                drop(transaction);
                return self.refuse_rebuild(lease, &error).await;
            }
        }
        transaction.reset(lease, Position::START, live_from).await?;
        Ok(transaction.commit().await?)
    }

    /// The word is taken as done, so that the projection goes on as it was when it is started again.
    async fn refuse_rebuild(&self, lease: &Lease, error: &BoxError) -> Result<(), Halt> {
        let mut transaction = self.store.begin().await?;
        transaction.reset(lease, lease.position, lease.live_from).await?;
        transaction.commit().await?;
        Err(Halt::Stop(StopReason::NotRebuilt { error: chain(&**error) }))
    }
}

/// Steps: a page is read and taken in, or there is none.
impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    async fn step(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if self.is_asked_to_stop() {
            self.write_down(owned).await?;
            return Err(Halt::Claim);
        }
        let store = self.store.clone();
        // Called before the read, so that an append that the read has just missed is remembered.
        let appended = store.appended();
        let (before, page) = (owned.position, self.read(owned).await?);
        if !page.is_empty() {
            owned.poll = self.settings.poll;
            return self.take_in_page(owned, page).await;
        }
        if page.next > before {
            self.reach(owned, page.next, 0);
        }
        if owned.written_at.elapsed() > IDLE_CHECKPOINT {
            self.write_down(owned).await?;
        }
        // A page that is no end, but gets nowhere either, is not asked for again at once.
        if page.at_end || page.next <= before {
            self.idle(owned, appended).await;
        }
        Ok(())
    }

    /// Waits for something to do: an append of this process wakes it, and otherwise it looks again after a while.
    async fn idle(&mut self, owned: &mut Owned, appended: impl Future<Output = ()>) {
        self.publish(|progress| progress.phase = Phase::Idle);
        tokio::select! {
            () = appended => owned.poll = self.settings.poll,
            () = self.rest(owned.poll) => owned.poll = (owned.poll * 2).min(Settings::LONGEST_POLL.max(owned.poll)),
        }
    }

    /// Writes the checkpoint down, where it moved only past events of no interest.
    async fn write_down(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if owned.position > owned.written {
            let mut transaction = self.store.begin().await?;
            transaction.advance(&owned.lease, owned.position, 0).await?;
            transaction.commit().await?;
        }
        owned.is_written();
        Ok(())
    }

    /// Everything up to `to` is done, and written down if there were events.
    pub(super) fn reach(&self, owned: &mut Owned, to: Position, events: u64) {
        owned.position = owned.position.max(to);
        let position = owned.position;
        self.publish(|progress| {
            progress.position = position;
            progress.events += events;
            // At once with the position, so that nobody who has waited for it is told of trouble that is over.
            progress.phase = Phase::Working;
        });
    }

    /// Waits until trouble with a batch may have passed.
    pub(super) async fn wait_out(&mut self, error: &BoxError, attempts: u32, retry: Retry) -> Result<(), Halt> {
        let error = chain(&**error);
        self.publish(|progress| progress.phase = Phase::Retrying { error, attempts });
        self.rest_between_tries(retry, attempts).await;
        if self.is_asked_to_stop() { Err(Halt::Claim) } else { Ok(()) }
    }

    /// Waits until trouble with the store may have passed, if the error is of that kind; otherwise the error comes back.
    pub(super) async fn wait_out_trouble(&mut self, error: BoxError, attempts: u32) -> Result<(), TroubleError> {
        if !self.store.is_transient(&error) {
            return Err(TroubleError::Lasting(error));
        }
        self.wait_out(&error, attempts, STORE_TROUBLE).await.map_err(TroubleError::Halt)
    }

    async fn rest(&self, wait: Duration) {
        self.unless_asked_to_stop(tokio::time::sleep(wait)).await;
    }

    async fn rest_between_tries(&self, retry: Retry, attempts: u32) {
        self.unless_asked_to_stop(retry.wait(attempts)).await;
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
        self.progress.send_modify(change);
    }
}

/// Why trouble was not waited out.
pub(super) enum TroubleError {
    /// The projection's own code failed in a way that will not pass.
    Lasting(BoxError),
    Halt(Halt),
}

impl Owned {
    fn new(lease: Lease, letters: Vec<DeadLetter>, poll: Duration) -> Self {
        let parked = letters.into_iter().filter(|letter| letter.status.is_parked());
        Self {
            position: lease.position,
            written: lease.position,
            written_at: Instant::now(),
            parked: parked.map(|letter| (letter.stream.clone(), letter)).collect(),
            poll,
            lease,
        }
    }

    pub(super) fn is_parked<E>(&self, event: &Recorded<E>) -> bool {
        self.parked.contains_key(&event.stream)
    }

    /// The letters of the parked streams that the batch has further events of, each with the last of them.
    pub(super) fn waiting<E>(&self, batch: &[Recorded<E>]) -> HashMap<StreamId, DeadLetter> {
        let mut waiting = HashMap::new();
        let events = if self.parked.is_empty() { &[] } else { batch };
        for event in events {
            if let Some(letter) = self.parked.get(&event.stream) {
                waiting.insert(event.stream.clone(), DeadLetter { last: event.version, ..letter.clone() });
            }
        }
        waiting
    }

    /// Has the stream wait as the letter says, or not at all any more.
    pub(super) fn park(&mut self, stream: &StreamId, letter: Option<&DeadLetter>) {
        match letter {
            Some(letter) => self.parked.insert(stream.clone(), letter.clone()),
            None => self.parked.remove(stream),
        };
    }

    pub(super) fn is_written(&mut self) {
        self.written = self.position;
        self.written_at = Instant::now();
    }
}
