//! Taking in: a batch in one transaction, and what becomes of an event that cannot be taken in.

use tokio::time::Instant;
use tracing::Instrument;

use crate::error::BoxError;
use crate::projection::Batch;
use crate::read_model::{DeadLetter, DeadLetterStatus, ReadModelStore, ReadModelTransaction};
use crate::recorded::Position;
use crate::runner::Phase;
use crate::runner::act::is_worth_trying_again;
use crate::runner::cause::Cause;
use crate::runner::engine::{Engine, Halt, TroubleError};
use crate::runner::guard::guarded;
use crate::runner::letters::Failed;
use crate::runner::owned::Owned;
use crate::runner::page::{Page, Place};
use crate::runner::settings::Then;
use crate::runner::work::{Ahead, Scope, Work};

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

impl From<TroubleError> for NotTaken {
    fn from(error: TroubleError) -> Self {
        match error {
            TroubleError::Lasting(error) => Self::Refused(error),
            TroubleError::Halt(halt) => Self::Halt(halt),
        }
    }
}

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// History and present are told apart, so a page may be two batches.
    pub(super) async fn take_in_page(&mut self, owned: &mut Owned, page: Page<W::Event>) -> Result<(), Halt> {
        self.publish(|progress| progress.phase = Phase::Working);
        let live_from = owned.lease.live_from;
        let live = page.events.partition_point(|event| event.position <= Some(live_from));
        let (history, present) = page.events.split_at(live);
        if !history.is_empty() {
            // Where the present follows, history ends before it, whether its last events are wanted or not.
            let to = if present.is_empty() { page.end_of(history) } else { live_from };
            self.take_in(owned, &Batch::new(history, true), to).await?;
        }
        if !present.is_empty() {
            self.end_history(owned).await?;
            self.take_in(owned, &Batch::new(present, false), page.end_of(present)).await?;
        }
        match page.unreadable {
            Some((place, cause)) => {
                self.part.failed(cause.class);
                self.give_up(owned, Failed { place, cause, attempts: 1 }).await
            }
            None => Ok(()),
        }
    }

    /// Takes in a batch as a whole; if that fails, smaller and smaller parts of it, so that only the failing event is affected.
    async fn take_in(&mut self, owned: &mut Owned, batch: &Batch<'_, W::Event>, to: Position) -> Result<(), Halt> {
        let (span, started) = (self.part.batch(batch, owned.position, to), Instant::now());
        let taken = self.take_in_as_it_goes(owned, batch, to).instrument(span.clone()).await;
        span.record("elapsed_seconds", started.elapsed().as_secs_f64());
        taken
    }

    async fn take_in_as_it_goes(
        &mut self,
        owned: &mut Owned,
        batch: &Batch<'_, W::Event>,
        to: Position,
    ) -> Result<(), Halt> {
        match self.patiently(owned, batch, to).await {
            Ok(()) => Ok(()),
            Err(NotTaken::Halt(halt)) => Err(halt),
            Err(NotTaken::Refused(error)) if W::ACTS => self.go_on_from_failure(owned, batch, to, error).await,
            Err(NotTaken::Refused(error)) if batch.len() == 1 => self.try_again(owned, batch, to, error).await,
            Err(NotTaken::Refused(_)) => self.take_in_by_halves(owned, batch, to).await,
        }
    }

    /// What was done ahead is committed up to the event that failed, so that one is the next.
    async fn go_on_from_failure(
        &mut self,
        owned: &mut Owned,
        batch: &Batch<'_, W::Event>,
        to: Position,
        mut error: BoxError,
    ) -> Result<(), Halt> {
        loop {
            let rest = batch.behind(owned.position).events();
            let Some((failing, behind)) = rest.split_first() else { return Ok(()) };
            let up_to = if behind.is_empty() { to } else { failing.position.unwrap_or(owned.position) };
            self.try_again(owned, &batch.part(std::slice::from_ref(failing)), up_to, error).await?;
            if behind.is_empty() {
                return Ok(());
            }
            match self.patiently(owned, &batch.part(behind), to).await {
                Ok(()) => return Ok(()),
                Err(NotTaken::Halt(halt)) => return Err(halt),
                Err(NotTaken::Refused(next)) => error = next,
            }
        }
    }

    /// Takes in a batch that has failed as a whole, in halves, and what fails again in halves of these: so among thousands the one
    /// that fails is found in a few steps, and the others are still taken in many at a time.
    async fn take_in_by_halves(
        &mut self,
        owned: &mut Owned,
        batch: &Batch<'_, W::Event>,
        to: Position,
    ) -> Result<(), Halt> {
        let mut parts = Vec::from(halves(batch.events()));
        while let Some(events) = parts.pop() {
            if self.is_asked_to_stop() {
                return Err(Halt::Claim);
            }
            let last = events.last().and_then(|event| event.position).unwrap_or(owned.position);
            let (part, to) = (batch.part(events), if parts.is_empty() { to } else { last });
            match self.patiently(owned, &part, to).await {
                Ok(()) => {}
                Err(NotTaken::Halt(halt)) => return Err(halt),
                Err(NotTaken::Refused(error)) if part.len() == 1 => self.try_again(owned, &part, to, error).await?,
                Err(NotTaken::Refused(_)) => parts.extend(halves(events)),
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
        while retry.allows_after(attempts) && is_worth_trying_again(&error) {
            self.wait_out(&error, attempts, retry).await?;
            match self.patiently(owned, single, to).await {
                Ok(()) => return Ok(()),
                Err(NotTaken::Halt(halt)) => return Err(halt),
                Err(NotTaken::Refused(again)) => error = again,
            }
            attempts += 1;
        }
        let (place, cause) = (Place::of(event), Cause::of(&self.store, &error));
        self.give_up(owned, Failed { place, cause, attempts }).await
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
                Err(NotTaken::Refused(error)) => {
                    attempts += 1;
                    self.wait_out_trouble(error, attempts).await?;
                }
                taken => return taken,
            }
        }
    }

    /// What is done ahead of a transaction, and the transaction; more than one of both where what is done ahead takes its time.
    async fn commit(&mut self, owned: &mut Owned, batch: &Batch<'_, W::Event>, to: Position) -> Result<(), NotTaken> {
        // What an earlier try has committed is behind it.
        let mut rest = batch.behind(owned.position);
        while !rest.is_empty() {
            let Ahead { events, failed } = self.ahead(owned, &rest).await;
            let (done, behind) = rest.events().split_at_checked(events).unwrap_or((rest.events(), &[]));
            if let Some(last) = done.last() {
                let to = if behind.is_empty() { to } else { last.position.unwrap_or(owned.position) };
                self.commit_done(owned, &rest.part(done), to).await?;
            }
            if let Some(error) = failed {
                return Err(NotTaken::Refused(error));
            }
            if !behind.is_empty() && self.is_asked_to_stop() {
                return Err(NotTaken::Halt(Halt::Claim));
            }
            rest = rest.part(behind);
        }
        Ok(())
    }

    /// Does what is to be done ahead with what does not wait.
    async fn ahead(&self, owned: &Owned, batch: &Batch<'_, W::Event>) -> Ahead {
        let mut ahead = Ahead { events: 0, failed: None };
        for alike in batch.chunk_by(|a, b| owned.is_parked(a) == owned.is_parked(b)) {
            let waits = alike.iter().all(|event| owned.is_parked(event));
            let Ahead { events, failed } = if waits {
                Ahead::all(alike)
            } else {
                Box::pin(self.work.ahead(&self.store, &batch.part(alike))).await
            };
            ahead = Ahead { events: ahead.events + events, failed };
            if events < alike.len() {
                break;
            }
        }
        ahead
    }

    /// One transaction: the effect of the batch, the events that wait behind a parked one, and the checkpoint.
    async fn commit_done(
        &mut self,
        owned: &mut Owned,
        batch: &Batch<'_, W::Event>,
        to: Position,
    ) -> Result<(), NotTaken> {
        let started = Instant::now();
        let mut transaction = self.open(owned).await?;
        let count = self.project(owned, batch, &mut transaction).await?;
        let waiting = owned.waiting(batch);
        let closed = async {
            for letter in waiting.values() {
                transaction.save_dead_letter(&self.id, letter).await?;
            }
            self.close(owned, to, count, transaction).await
        };
        closed.await.map_err(|halt| self.to_blame(halt))?;
        self.part.committed(started.elapsed());
        owned.parked.extend(waiting);
        Ok(())
    }

    /// What the projection has done to the transaction, the store finds out only at its end.
    pub(super) fn to_blame(&self, halt: Halt) -> NotTaken {
        match halt {
            Halt::Store(error) if self.store.is_spoiled(&error) => NotTaken::Refused(error.into()),
            halt => NotTaken::Halt(halt),
        }
    }

    /// Has the projection take in what does not wait, and counts it.
    async fn project(
        &self,
        owned: &Owned,
        batch: &Batch<'_, W::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<u64, NotTaken> {
        if owned.parked.is_empty() {
            self.refusable(owned, batch, transaction).await?;
            return Ok(batch.len() as u64);
        }
        let mut count = 0;
        for alike in batch.chunk_by(|a, b| owned.is_parked(a) == owned.is_parked(b)) {
            if alike.iter().all(|event| !owned.is_parked(event)) {
                self.refusable(owned, &Batch::new(alike, batch.is_replay()), transaction).await?;
                count += alike.len() as u64;
            }
        }
        Ok(count)
    }

    /// Has the projection's own code take in a batch.
    pub(super) async fn refusable(
        &self,
        owned: &Owned,
        batch: &Batch<'_, W::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<(), NotTaken> {
        let taken = guarded(Box::pin(self.work.take_in(Scope::of(&owned.lease), batch, transaction))).await;
        taken.map_err(BoxError::from).flatten().map_err(NotTaken::Refused)
    }

    /// The event cannot be taken in, and the policy decides what becomes of it.
    async fn give_up(&mut self, owned: &mut Owned, failed: Failed) -> Result<(), Halt> {
        if let Some(letter) = owned.parked.get(&failed.place.stream) {
            // It cannot be read, but its stream waits anyway.
            let letter = DeadLetter { last: failed.place.version, ..letter.clone() };
            return self.post(owned, &letter, failed.place.position).await;
        }
        let status = match self.settings.on_failure.then {
            Then::Stop => return Err(Halt::Stop(failed.into_reason())),
            Then::Skip => DeadLetterStatus::Skipped,
            Then::Park => DeadLetterStatus::Parked,
        };
        let position = failed.place.position;
        let letter = failed.into_letter(status);
        self.post(owned, &letter, position).await?;
        self.part.dead_letter(&letter);
        Ok(())
    }

    /// Nothing is passed over without a record: the dead letter and the checkpoint are one transaction.
    pub(super) async fn post(&mut self, owned: &mut Owned, letter: &DeadLetter, to: Position) -> Result<(), Halt> {
        let mut transaction = self.open(owned).await?;
        transaction.save_dead_letter(&self.id, letter).await?;
        self.close(owned, to, 0, transaction).await?;
        if letter.status.is_parked() {
            owned.park(&letter.stream, Some(letter));
        }
        Ok(())
    }
}

/// In the order in which they are taken from the end.
fn halves<E>(events: &[E]) -> [&[E]; 2] {
    let (first, second) = events.split_at(events.len() / 2);
    [second, first]
}
