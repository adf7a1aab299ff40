//! Dead letters: pointers to events that could not be taken in, and what becomes of the streams that wait behind them.

use std::collections::VecDeque;

use crate::projection::Batch;
use crate::read_model::{DeadLetter, DeadLetterStatus, ReadModelStore, ReadModelTransaction};
use crate::recorded::{Position, RawEvent, Recorded};
use crate::runner::StopReason;
use crate::runner::cause::Cause;
use crate::runner::engine::{Engine, Halt};
use crate::runner::owned::Owned;
use crate::runner::page::{Decoded, Place, decode};
use crate::runner::take_in::NotTaken;
use crate::runner::work::Work;
use crate::slices::Slices;
use crate::store::ReadLog;
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// An event that could not be taken in.
pub(super) struct Failed {
    pub(super) place: Place,
    pub(super) cause: Cause,
    pub(super) attempts: u32,
}

impl Failed {
    pub(super) fn into_reason(self) -> StopReason {
        let Self { place: Place { stream, version, .. }, cause: Cause { class, error }, attempts } = self;
        StopReason::Failed { stream, version, attempts, class, error }
    }

    pub(super) fn into_letter(self, status: DeadLetterStatus) -> DeadLetter {
        let Self { place: Place { stream, version, position, id }, cause: Cause { class, error }, attempts } = self;
        let letter = DeadLetter::new(stream, version, position, id, error, status, Timestamp::now());
        DeadLetter { attempts, class: Some(class), ..letter }
    }
}

/// The events of a parked stream, from the failed one on. They are read from the log again, as today's code reads them and with
/// their places.
struct Waiting<E> {
    stream: StreamId,
    from: Version,
    last: Version,
    after: Position,
    up_to: Position,
    read: VecDeque<Decoded<E>>,
}

impl<E> Waiting<E> {
    /// The events of the letter up to the checkpoint. After a rewind there may be others behind it, which come again.
    fn of(letter: &DeadLetter, checkpoint: Position) -> Self {
        let after = Position(letter.position.0.saturating_sub(1));
        let (stream, from, last) = (letter.stream.clone(), letter.first, letter.last);
        Self { stream, from, last, after, up_to: checkpoint, read: VecDeque::new() }
    }

    fn is_read(&self) -> bool {
        self.after >= self.up_to
    }
}

/// What became of the first event of a parked stream.
enum Settled {
    /// The stream goes on behind it.
    Passed,
    /// It failed again.
    Parked,
}

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// Does what was asked for with each parked stream.
    pub(super) async fn settle_letters(&mut self, owned: &mut Owned) -> Result<(), Halt> {
        let asked = owned.parked.values().filter(|letter| letter.status != DeadLetterStatus::Parked);
        let asked: Vec<DeadLetter> = asked.cloned().collect();
        for letter in asked {
            self.settle(owned, letter).await?;
        }
        Ok(())
    }

    /// Goes through a parked stream, event by event, until it is at its end or fails again.
    async fn settle(&mut self, owned: &mut Owned, mut letter: DeadLetter) -> Result<(), Halt> {
        let mut waiting = Waiting::of(&letter, owned.position);
        let mut head = self.next_waiting(&mut waiting).await?;
        loop {
            // An event that the projection does not want any more is not there to be read.
            let first = head.take_if(|event| place_of(event).version == letter.first);
            if first.is_some() {
                head = self.next_waiting(&mut waiting).await?;
            }
            let behind = head.as_ref().map(|event| letter_behind(&letter, place_of(event)));
            match self.settle_first(owned, &letter, first, behind.as_ref()).await? {
                Settled::Parked => return Ok(()),
                Settled::Passed => owned.park(&letter.stream, behind.as_ref()),
            }
            match behind {
                Some(_) if self.is_asked_to_stop() => return Err(Halt::Claim),
                Some(behind) => letter = behind,
                None => return Ok(()),
            }
        }
    }

    async fn next_waiting(&self, waiting: &mut Waiting<W::Event>) -> Result<Option<Decoded<W::Event>>, Halt> {
        while waiting.read.is_empty() && !waiting.is_read() {
            let slices = Slices::of(&waiting.stream);
            let Waiting { stream, from, last, up_to, read, .. } = waiting;
            let mut visit = |raw: RawEvent<'_>| {
                let is_passed = raw.position <= Some(*up_to);
                if is_passed && raw.stream == *stream && (*from..=*last).contains(&raw.version) {
                    read.push_back(decode(raw));
                }
                Ok(())
            };
            let log = ReadLog::after(waiting.after).filter(self.filter.clone()).slices(slices);
            let page = self.store.read_log(log.limit(self.settings.batch), &mut visit).await?;
            waiting.after = if page.at_end { waiting.up_to } else { page.next };
        }
        Ok(waiting.read.pop_front())
    }

    async fn settle_first(
        &mut self,
        owned: &mut Owned,
        letter: &DeadLetter,
        first: Option<Decoded<W::Event>>,
        behind: Option<&DeadLetter>,
    ) -> Result<Settled, Halt> {
        if let DeadLetterStatus::DiscardRequested { reason } = &letter.status {
            return self.discard(owned, letter, reason, behind).await;
        }
        match first.transpose() {
            Ok(event) => self.pass_patiently(owned, letter, event.as_ref(), behind).await,
            Err((_, cause)) => self.park_again(owned, letter, cause).await,
        }
    }

    async fn pass_patiently(
        &mut self,
        owned: &mut Owned,
        letter: &DeadLetter,
        event: Option<&Recorded<W::Event>>,
        behind: Option<&DeadLetter>,
    ) -> Result<Settled, Halt> {
        let mut attempts = 0;
        loop {
            let mut passed = self.pass(owned, letter, event, behind).await;
            if let Err(NotTaken::Refused(error)) = passed {
                attempts += 1;
                passed = self.wait_out_trouble(error, attempts).await.map_err(NotTaken::from);
                if passed.is_ok() {
                    continue;
                }
            }
            return match passed {
                Ok(()) => Ok(Settled::Passed),
                Err(NotTaken::Halt(halt)) => Err(halt),
                Err(NotTaken::Refused(error)) => {
                    let cause = Cause::of(&self.store, &error);
                    self.park_again(owned, letter, cause).await
                }
            };
        }
    }

    /// Takes in the event, if there is one, and has the stream wait for the next: one transaction, under the lease.
    async fn pass(
        &mut self,
        owned: &mut Owned,
        letter: &DeadLetter,
        event: Option<&Recorded<W::Event>>,
        behind: Option<&DeadLetter>,
    ) -> Result<(), NotTaken> {
        let replay = event.is_some_and(|event| event.position <= Some(owned.lease.live_from));
        let event = event.map(|event| Batch::new(std::slice::from_ref(event), replay));
        if let Some(event) = &event
            && let Some(error) = self.work.ahead(&self.store, event).await.failed
        {
            return Err(NotTaken::Refused(error));
        }
        let mut transaction = self.open(owned).await?;
        if let Some(event) = &event {
            self.refusable(owned, event, &mut transaction).await?;
        }
        let count = u64::from(event.is_some());
        let closed = async {
            transaction.delete_dead_letter(&self.id, &letter.stream, letter.first).await?;
            self.go_on_behind(owned, behind, count, transaction).await
        };
        closed.await.map_err(|halt| self.to_blame(halt))
    }

    /// Leaves the event out for good, with a record, and has the stream wait for the next.
    async fn discard(
        &mut self,
        owned: &mut Owned,
        letter: &DeadLetter,
        reason: &str,
        behind: Option<&DeadLetter>,
    ) -> Result<Settled, Halt> {
        let status = DeadLetterStatus::Discarded { reason: reason.to_owned() };
        let record = DeadLetter { last: letter.first, status, ..letter.clone() };
        let mut transaction = self.open(owned).await?;
        transaction.save_dead_letter(&self.id, &record).await?;
        self.go_on_behind(owned, behind, 0, transaction).await?;
        self.part.dead_letter(&record);
        Ok(Settled::Passed)
    }

    async fn go_on_behind(
        &mut self,
        owned: &mut Owned,
        behind: Option<&DeadLetter>,
        count: u64,
        mut transaction: S::Transaction,
    ) -> Result<(), Halt> {
        if let Some(behind) = behind {
            transaction.save_dead_letter(&self.id, behind).await?;
        }
        let to = owned.position;
        self.close(owned, to, count, transaction).await
    }

    async fn park_again(&mut self, owned: &mut Owned, letter: &DeadLetter, cause: Cause) -> Result<Settled, Halt> {
        let attempts = letter.attempts.saturating_add(1);
        let (status, last_failed_at) = (DeadLetterStatus::Parked, Timestamp::now());
        let Cause { class, error } = cause;
        let letter = DeadLetter { error, class: Some(class), attempts, last_failed_at, status, ..letter.clone() };
        self.post(owned, &letter, owned.position).await?;
        self.part.dead_letter(&letter);
        Ok(Settled::Parked)
    }
}

fn place_of<E>(event: &Decoded<E>) -> Place {
    match event {
        Ok(event) => Place::of(event),
        Err((place, _)) => place.clone(),
    }
}

/// The letter of the next event of a parked stream, which is to be tried as soon as the one before it is done with.
fn letter_behind(letter: &DeadLetter, next: Place) -> DeadLetter {
    let Place { version, position, id, .. } = next;
    let status = DeadLetterStatus::RetryRequested;
    DeadLetter { first: version, position, event_id: id, attempts: 0, status, ..letter.clone() }
}
