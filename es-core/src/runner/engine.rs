//! One projection: claim the lease, read a page, take it in, move the checkpoint, commit, and again.
//!
//! Whatever goes wrong inside a transaction ends it without commit, so a batch has taken effect wholly, with its checkpoint, or
//! not at all. Whenever it is not certain what is committed, the lease is claimed again, and with it comes the checkpoint.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use uuid::Uuid;

use crate::error::{BoxError, Error};
use crate::projection::Batch;
use crate::read_model::{
    AdvanceError, Claim, DeadLetter, DeadLetterStatus, Lease, ProjectionId, ReadModelStore, ReadModelTransaction,
};
use crate::recorded::{Position, RawEvent, Recorded};
use crate::retry::Retry;
use crate::runner::letters::Failed;
use crate::runner::work::Work;
use crate::runner::{Launch, Phase, Progress, Settings, StopReason, Then};
use crate::store::ReadLog;
use crate::stream::StreamId;

/// The lease is renewed at least this often, which is also how soon word from outside is noticed.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(1);

/// A checkpoint that moved only past events of no interest is written down this often.
const IDLE_CHECKPOINT: Duration = Duration::from_secs(1);

/// How long to wait between tries while the store is out of reach.
const STORE_TROUBLE: Retry = Retry::attempts(u32::MAX).base(Duration::from_millis(50)).cap(Duration::from_secs(5));

pub(super) struct Engine<S, W> {
    pub(super) store: S,
    pub(super) work: W,
    pub(super) id: ProjectionId,
    pub(super) settings: Settings,
    owner: Uuid,
    progress: watch::Sender<Progress>,
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
    poll: Duration,
}

/// Why the engine cannot simply go on.
pub(super) enum Halt {
    /// The lease is gone, or the checkpoint is in doubt: claim again.
    Claim,
    /// The store failed.
    Store(Error),
    /// An event failed, and the policy says to stop.
    Failed(StopReason),
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

/// Why a batch was not committed.
pub(super) enum NotTaken {
    /// The projection's own code failed.
    Refused(BoxError),
    Halt(Halt),
}

impl<T: Into<Halt>> From<T> for NotTaken {
    fn from(halt: T) -> Self {
        Self::Halt(halt.into())
    }
}

/// A page of the log.
struct Page<E> {
    events: Vec<Recorded<E>>,
    /// The event behind them, if it cannot be read.
    unreadable: Option<Failed>,
    next: Position,
    at_end: bool,
}

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    pub(super) fn new(launch: Launch<S>, work: W) -> Self {
        let Launch { store, id, owner, settings, progress, stop } = launch;
        Self { store, work, id, settings, owner, progress, stop, troubles: 0 }
    }

    pub(super) async fn run(mut self) {
        let reason = loop {
            if let Some(reason) = self.turn().await {
                break reason;
            }
        };
        self.publish(|progress| progress.phase = Phase::Stopped(reason));
    }

    /// Claims the lease and works while it lasts. `None` means: claim again.
    async fn turn(&mut self) -> Option<StopReason> {
        if self.is_asked_to_stop() {
            return Some(StopReason::Asked);
        }
        match self.store.claim(&self.id, self.owner, self.settings.lease).await {
            Ok(Claim::Granted(lease)) => self.own(lease).await,
            Ok(Claim::Held { owner }) => {
                self.publish(|progress| progress.phase = Phase::Elsewhere { owner });
                self.rest(self.settings.lease / 4).await;
                None
            }
            Ok(Claim::Paused) => {
                self.publish(|progress| progress.phase = Phase::Paused);
                self.rest(Settings::LONGEST_POLL).await;
                None
            }
            Err(error) => self.bear_with(error).await,
        }
    }

    async fn own(&mut self, lease: Lease) -> Option<StopReason> {
        let halt = match self.take_over(lease.clone()).await {
            Ok(owned) => self.work_on(owned).await,
            Err(halt) => halt,
        };
        match halt {
            Halt::Claim if self.is_asked_to_stop() => {
                // If it does not arrive, the lease runs out by itself.
                let _ = self.store.release(&lease).await;
                Some(StopReason::Asked)
            }
            Halt::Claim => None,
            Halt::Store(error) => self.bear_with(error).await,
            Halt::Failed(reason) => {
                // The reason reaches this process's handle in any case.
                let _ = self.store.report_stop(&lease, &reason.to_string()).await;
                Some(reason)
            }
        }
    }

    /// Trouble that will pass is waited for; any other ends the projection.
    async fn bear_with(&mut self, error: Error) -> Option<StopReason> {
        let text = chain(&error);
        if !error.is_transient() {
            return Some(StopReason::Store { error: text });
        }
        self.troubles = self.troubles.saturating_add(1);
        let attempts = self.troubles;
        self.publish(|progress| progress.phase = Phase::Retrying { error: text, attempts });
        self.rest_between_tries(STORE_TROUBLE, attempts).await;
        None
    }

    async fn take_over(&mut self, lease: Lease) -> Result<Owned, Halt> {
        let letters = self.store.dead_letters(&self.id).await?;
        let parked = letters.into_iter().filter(|letter| letter.status.is_parked());
        let mut owned = Owned {
            position: lease.position,
            written: lease.position,
            written_at: Instant::now(),
            parked: parked.map(|letter| (letter.stream.clone(), letter)).collect(),
            poll: self.settings.poll,
            lease,
        };
        if owned.lease.rebuild {
            self.begin_anew(&owned).await?;
            return Err(Halt::Claim);
        }
        self.troubles = 0;
        self.publish(|progress| {
            progress.position = owned.position;
            progress.phase = Phase::Working;
        });
        self.settle_letters(&mut owned).await?;
        Ok(owned)
    }

    /// Removes what was written and goes back to the start, at once or not at all.
    async fn begin_anew(&mut self, owned: &Owned) -> Result<(), Halt> {
        let live_from = self.store.log_end().await?;
        let mut transaction = self.store.begin().await?;
        self.work.clear(&self.id, &mut transaction).await.map_err(|error| self.refuse_rebuild(error))?;
        transaction.reset(&owned.lease, Position::START, live_from).await?;
        transaction.commit().await?;
        Ok(())
    }

    fn refuse_rebuild(&self, error: BoxError) -> Halt {
        if self.store.is_transient(&error) {
            return Halt::Store(Error::unavailable(error));
        }
        Halt::Failed(StopReason::Store { error: chain(&*error) })
    }

    /// Goes on until it cannot, with the lease renewed on the way.
    async fn work_on(&mut self, mut owned: Owned) -> Halt {
        let heartbeat = (self.settings.lease / 3).min(LONGEST_HEARTBEAT);
        let (store, lease, length) = (self.store.clone(), owned.lease.clone(), self.settings.lease);
        let mut beats = tokio::time::interval(heartbeat);
        let mut work = pin!(async {
            loop {
                if let Err(halt) = self.step(&mut owned).await {
                    break halt;
                }
            }
        });
        loop {
            tokio::select! {
                halt = &mut work => return halt,
                _ = beats.tick() => match store.renew(&lease, length).await {
                    Ok(true) => {}
                    Ok(false) => return Halt::Claim,
                    Err(error) if error.is_transient() => {}
                    Err(error) => return Halt::Store(error),
                },
            }
        }
    }

    async fn step(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if self.is_asked_to_stop() {
            self.write_down(owned).await?;
            return Err(Halt::Claim);
        }
        let page = self.read(owned).await?;
        let came = !page.events.is_empty() || page.unreadable.is_some();
        let (next, at_end) = (page.next, page.at_end);
        if came {
            owned.poll = self.settings.poll;
            self.take_in_page(owned, page).await?;
        }
        self.reach(owned, next, 0);
        if owned.position > owned.written && owned.written_at.elapsed() > IDLE_CHECKPOINT {
            self.write_down(owned).await?;
        }
        if at_end && !came {
            self.idle(owned).await;
        }
        Ok(())
    }

    async fn read(&self, owned: &Owned) -> Result<Page<W::Event>, Halt> {
        let (mut events, mut unreadable) = (Vec::new(), None);
        let mut visit = |raw: RawEvent<'_>| {
            if unreadable.is_none() {
                let place = Failed::place(&raw);
                match raw.decode() {
                    Ok(event) => events.push(event),
                    Err(error) => unreadable = Some(Failed::at(place, chain(&error), 1)),
                }
            }
            Ok(())
        };
        let read = ReadLog::after(owned.position).filter(self.work.filter()).limit(self.settings.batch);
        let page = self.store.read_log(read, &mut visit).await?;
        let next = if unreadable.is_some() { owned.position } else { page.next };
        Ok(Page { events, unreadable, next, at_end: page.at_end })
    }

    /// History and present are told apart, so a page may be two batches.
    async fn take_in_page(&mut self, owned: &mut Owned, page: Page<W::Event>) -> Result<(), Halt> {
        self.publish(|progress| progress.phase = Phase::Working);
        let live_from = owned.lease.live_from;
        let live = page.events.partition_point(|event| event.position <= Some(live_from));
        let (history, present) = page.events.split_at(live);
        let whole = page.unreadable.is_none();
        let end = |events: &[Recorded<W::Event>]| events.last().and_then(|event| event.position).unwrap_or_default();
        if !history.is_empty() {
            let to = if whole && present.is_empty() { page.next } else { end(history) };
            self.take_in(owned, &Batch::new(history, true), to).await?;
        }
        if !present.is_empty() {
            let to = if whole { page.next } else { end(present) };
            self.take_in(owned, &Batch::new(present, false), to).await?;
        }
        match page.unreadable {
            Some(failed) => self.give_up(owned, failed).await,
            None => Ok(()),
        }
    }

    /// Takes in a batch as a whole; if that fails, event by event, so that only the failing one is affected.
    async fn take_in(&mut self, owned: &mut Owned, batch: &Batch<'_, W::Event>, to: Position) -> Result<(), Halt> {
        match self.patiently(owned, batch, to).await {
            Ok(()) => return Ok(()),
            Err(NotTaken::Halt(halt)) => return Err(halt),
            Err(NotTaken::Refused(error)) if batch.len() == 1 => return self.try_again(owned, batch, to, error).await,
            Err(NotTaken::Refused(_)) => {}
        }
        for (nth, event) in batch.into_iter().enumerate() {
            let to = if nth + 1 == batch.len() { to } else { event.position.unwrap_or(owned.position) };
            let single = Batch::new(std::slice::from_ref(event), batch.is_replay());
            match self.patiently(owned, &single, to).await {
                Ok(()) => {}
                Err(NotTaken::Halt(halt)) => return Err(halt),
                Err(NotTaken::Refused(error)) => self.try_again(owned, &single, to, error).await?,
            }
        }
        Ok(())
    }

    /// Tries a single event as often as the policy allows.
    async fn try_again(
        &mut self,
        owned: &mut Owned,
        single: &Batch<'_, W::Event>,
        to: Position,
        mut error: BoxError,
    ) -> Result<(), Halt> {
        let Some(event) = single.first() else { return Ok(()) };
        let retry = self.settings.on_failure.retry;
        let mut attempts = 1;
        while retry.allows_after(attempts) {
            let text = chain(&*error);
            self.publish(|progress| progress.phase = Phase::Retrying { error: text, attempts });
            self.rest_between_tries(retry, attempts).await;
            if self.is_asked_to_stop() {
                return Err(Halt::Claim);
            }
            match self.patiently(owned, single, to).await {
                Ok(()) => return Ok(()),
                Err(NotTaken::Halt(halt)) => return Err(halt),
                Err(NotTaken::Refused(again)) => error = again,
            }
            attempts += 1;
        }
        self.give_up(owned, Failed::of(event, chain(&*error), attempts)).await
    }

    /// Takes in a batch, however long trouble that will pass takes to pass.
    async fn patiently(
        &mut self,
        owned: &mut Owned,
        batch: &Batch<'_, W::Event>,
        to: Position,
    ) -> Result<(), NotTaken> {
        let mut attempts = 0;
        loop {
            match self.commit(owned, batch, to).await {
                Err(NotTaken::Refused(error)) if self.store.is_transient(&error) => {
                    attempts += 1;
                    let text = chain(&*error);
                    self.publish(|progress| progress.phase = Phase::Retrying { error: text, attempts });
                    self.rest_between_tries(STORE_TROUBLE, attempts).await;
                    if self.is_asked_to_stop() {
                        return Err(Halt::Claim.into());
                    }
                }
                taken => return taken,
            }
        }
    }

    /// One transaction: the effect of the batch, the events that wait behind a parked one, and the checkpoint.
    async fn commit(&mut self, owned: &mut Owned, batch: &Batch<'_, W::Event>, to: Position) -> Result<(), NotTaken> {
        let mut transaction = self.store.begin().await?;
        let waiting = owned.waiting(batch);
        if waiting.is_empty() {
            self.guarded(batch, &mut transaction).await?;
        } else {
            for awake in batch.chunk_by(|a, b| owned.is_parked(a) == owned.is_parked(b)) {
                if awake.first().is_some_and(|event| !owned.is_parked(event)) {
                    self.guarded(&Batch::new(awake, batch.is_replay()), &mut transaction).await?;
                }
            }
            for letter in waiting.values() {
                transaction.save_dead_letter(&self.id, letter).await?;
            }
        }
        let count = batch.iter().filter(|event| !owned.is_parked(event)).count() as u64;
        transaction.advance(&owned.lease, to, count).await?;
        transaction.commit().await?;
        owned.parked.extend(waiting);
        self.reach(owned, to, count);
        owned.is_written();
        Ok(())
    }

    /// Has the projection's own code take in a batch. A panic in it is a failure like any other.
    pub(super) async fn guarded(
        &self,
        batch: &Batch<'_, W::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<(), NotTaken> {
        let mut taking_in = pin!(self.work.take_in(&self.id, batch, transaction));
        let guarded = std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| taking_in.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(Panicked::of(&*panic).into())),
        });
        guarded.await.map_err(NotTaken::Refused)
    }

    /// The event cannot be taken in, and the policy decides what becomes of it.
    async fn give_up(&mut self, owned: &mut Owned, failed: Failed) -> Result<(), Halt> {
        let status = match self.settings.on_failure.then {
            _ if owned.parked.contains_key(&failed.stream) => return self.leave_behind(owned, failed).await,
            Then::Stop => return Err(Halt::Failed(failed.into_reason())),
            Then::Skip => DeadLetterStatus::Skipped,
            Then::Park => DeadLetterStatus::Parked,
        };
        let letter = failed.into_letter(status);
        self.post(owned, &letter).await?;
        if letter.status.is_parked() {
            owned.parked.insert(letter.stream.clone(), letter);
        }
        Ok(())
    }

    /// An unreadable event of a parked stream waits like any other of it.
    async fn leave_behind(&mut self, owned: &mut Owned, failed: Failed) -> Result<(), Halt> {
        let Some(letter) = owned.parked.get(&failed.stream).cloned() else { return Ok(()) };
        let letter = DeadLetter { last: failed.version, ..letter };
        let to = failed.position;
        self.post_at(owned, &letter, to).await?;
        owned.parked.insert(letter.stream.clone(), letter);
        Ok(())
    }

    async fn post(&mut self, owned: &mut Owned, letter: &DeadLetter) -> Result<(), Halt> {
        self.post_at(owned, letter, letter.position).await
    }

    /// Nothing is passed over without a record: the dead letter and the checkpoint are one transaction.
    pub(super) async fn post_at(&mut self, owned: &mut Owned, letter: &DeadLetter, to: Position) -> Result<(), Halt> {
        let mut transaction = self.store.begin().await?;
        transaction.save_dead_letter(&self.id, letter).await?;
        transaction.advance(&owned.lease, to, 0).await?;
        transaction.commit().await?;
        self.reach(owned, to, 0);
        owned.is_written();
        Ok(())
    }

    async fn write_down(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        if owned.position > owned.written {
            let mut transaction = self.store.begin().await?;
            transaction.advance(&owned.lease, owned.position, 0).await?;
            transaction.commit().await?;
        }
        owned.is_written();
        Ok(())
    }

    fn reach(&self, owned: &mut Owned, to: Position, events: u64) {
        owned.position = owned.position.max(to);
        let position = owned.position;
        self.publish(|progress| {
            progress.position = position;
            progress.events += events;
        });
    }

    /// Waits for something to do: an append of this process wakes it, and otherwise it looks again after a while.
    async fn idle(&mut self, owned: &mut Owned) {
        self.publish(|progress| progress.phase = Phase::Idle);
        let appended = self.store.appended();
        tokio::select! {
            () = appended => owned.poll = self.settings.poll,
            () = tokio::time::sleep(owned.poll) => owned.poll = (owned.poll * 2).min(Settings::LONGEST_POLL.max(self.settings.poll)),
            _ = self.stop.changed() => {}
        }
    }

    async fn rest(&mut self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = self.stop.changed() => {}
        }
    }

    async fn rest_between_tries(&mut self, retry: Retry, attempts: u32) {
        tokio::select! {
            () = retry.wait(attempts) => {}
            _ = self.stop.changed() => {}
        }
    }

    fn is_asked_to_stop(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    fn publish(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }
}

impl Owned {
    fn is_parked<E>(&self, event: &Recorded<E>) -> bool {
        self.parked.contains_key(&event.stream)
    }

    /// The letters of the parked streams that the batch has further events of, each with the last of them.
    fn waiting<E>(&self, batch: &[Recorded<E>]) -> HashMap<StreamId, DeadLetter> {
        let mut waiting = HashMap::new();
        for event in batch {
            if let Some(letter) = self.parked.get(&event.stream) {
                waiting.insert(event.stream.clone(), DeadLetter { last: event.version, ..letter.clone() });
            }
        }
        waiting
    }

    fn is_written(&mut self) {
        self.written = self.position;
        self.written_at = Instant::now();
    }
}

/// A panic in a projection's own code.
#[derive(Debug, thiserror::Error)]
#[error("the projection panicked: {0}")]
struct Panicked(String);

impl Panicked {
    fn of(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned()))
    }
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
