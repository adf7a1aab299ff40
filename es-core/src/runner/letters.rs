//! Dead letters: pointers to events that could not be taken in, and what becomes of the streams that wait behind them.

use crate::metadata::EventId;
use crate::projection::Batch;
use crate::read_model::{DeadLetter, DeadLetterStatus, ReadModelStore, ReadModelTransaction};
use crate::recorded::{Position, RawEvent, Recorded};
use crate::runner::StopReason;
use crate::runner::engine::{Engine, Halt, NotTaken, Owned, chain};
use crate::runner::work::Work;
use crate::store::ReadStream;
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// An event that could not be taken in.
pub(super) struct Failed {
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) position: Position,
    id: EventId,
    error: String,
    attempts: u32,
}

/// Where an event is.
pub(super) struct Place {
    stream: StreamId,
    version: Version,
    position: Position,
    id: EventId,
}

impl Failed {
    pub(super) fn place(raw: &RawEvent<'_>) -> Place {
        let position = raw.position.unwrap_or_default();
        Place { stream: raw.stream.clone(), version: raw.version, position, id: raw.id }
    }

    pub(super) fn at(place: Place, error: String, attempts: u32) -> Self {
        let Place { stream, version, position, id } = place;
        Self { stream, version, position, id, error, attempts }
    }

    pub(super) fn of<E>(event: &Recorded<E>, error: String, attempts: u32) -> Self {
        let place = Place {
            stream: event.stream.clone(),
            version: event.version,
            position: event.position.unwrap_or_default(),
            id: event.id,
        };
        Self::at(place, error, attempts)
    }

    pub(super) fn into_reason(self) -> StopReason {
        let Self { stream, version, attempts, error, .. } = self;
        StopReason::Failed { stream, version, attempts, error }
    }

    pub(super) fn into_letter(self, status: DeadLetterStatus) -> DeadLetter {
        let now = Timestamp::now();
        DeadLetter {
            stream: self.stream,
            first: self.version,
            last: self.version,
            position: self.position,
            event_id: self.id,
            error: self.error,
            attempts: self.attempts,
            status,
            first_failed_at: now,
            last_failed_at: now,
        }
    }
}

/// The first event that a parked stream waits for.
enum Next<E> {
    /// It can be read.
    Event(Box<Recorded<E>>),
    /// It cannot.
    Unreadable(String),
    /// The projection does not want it any more, or the stream has come to its end.
    Nothing,
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
        loop {
            let behind = match &letter.status {
                DeadLetterStatus::DiscardRequested { reason } => {
                    let discarded = DeadLetterStatus::Discarded { reason: reason.clone() };
                    self.discard(owned, &letter, discarded).await?
                }
                _ => match self.first_of(&letter).await? {
                    Next::Nothing => match self.pass(owned, &letter, None).await {
                        Ok(behind) => behind,
                        Err(NotTaken::Halt(halt)) => return Err(halt),
                        Err(NotTaken::Refused(_)) => None,
                    },
                    Next::Unreadable(error) => return self.park_again(owned, letter, error).await,
                    Next::Event(event) => match self.pass(owned, &letter, Some(&event)).await {
                        Ok(behind) => behind,
                        Err(NotTaken::Halt(halt)) => return Err(halt),
                        Err(NotTaken::Refused(error)) => return self.park_again(owned, letter, chain(&*error)).await,
                    },
                },
            };
            match behind {
                Some(next) => letter = next,
                None => return Ok(()),
            }
        }
    }
}

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// The event that the stream waits for, as today's code reads it.
    async fn first_of(&self, letter: &DeadLetter) -> Result<Next<W::Event>, Halt> {
        let (filter, mut next) = (self.work.filter(), Next::Nothing);
        let mut visit = |raw: RawEvent<'_>| {
            if filter.allows(raw.stream.category(), raw.event_type) {
                let position = letter.position;
                next = match raw.decode() {
                    Ok(event) => Next::Event(Box::new(Recorded { position: Some(position), ..event })),
                    Err(error) => Next::Unreadable(chain(&error)),
                };
            }
            Ok(())
        };
        let read = ReadStream::forwards(letter.stream.clone()).from(letter.first).limit(1);
        self.store.read_stream(read, &mut visit).await?;
        Ok(next)
    }

    /// Takes in the event, if there is one, and has the stream wait for the next: one transaction, under the lease.
    async fn pass(
        &mut self,
        owned: &mut Owned,
        letter: &DeadLetter,
        event: Option<&Recorded<W::Event>>,
    ) -> Result<Option<DeadLetter>, NotTaken> {
        let mut transaction = self.store.begin().await?;
        if let Some(event) = event {
            let replay = letter.position <= owned.lease.live_from;
            self.guarded(&Batch::new(std::slice::from_ref(event), replay), &mut transaction).await?;
        }
        let behind = self.move_on(letter, &mut transaction).await?;
        let count = u64::from(event.is_some());
        transaction.advance(&owned.lease, owned.position, count).await?;
        transaction.commit().await?;
        owned.park(letter, behind.as_ref());
        Ok(behind)
    }

    /// Leaves the event out for good, with a record, and has the stream wait for the next.
    async fn discard(
        &mut self,
        owned: &mut Owned,
        letter: &DeadLetter,
        discarded: DeadLetterStatus,
    ) -> Result<Option<DeadLetter>, Halt> {
        let mut transaction = self.store.begin().await?;
        let behind = self.move_on(letter, &mut transaction).await?;
        let record = DeadLetter { last: letter.first, status: discarded, ..letter.clone() };
        transaction.save_dead_letter(&self.id, &record).await?;
        transaction.advance(&owned.lease, owned.position, 0).await?;
        transaction.commit().await?;
        owned.park(letter, behind.as_ref());
        Ok(behind)
    }

    /// The letter of the events behind the first one, in its place.
    async fn move_on(&self, letter: &DeadLetter, transaction: &mut S::Transaction) -> Result<Option<DeadLetter>, Halt> {
        transaction.delete_dead_letter(&self.id, &letter.stream, letter.first).await?;
        if letter.first >= letter.last {
            return Ok(None);
        }
        let first = letter.first.after(1);
        let behind = DeadLetter { first, attempts: 0, status: DeadLetterStatus::RetryRequested, ..letter.clone() };
        transaction.save_dead_letter(&self.id, &behind).await?;
        Ok(Some(behind))
    }

    async fn park_again(&mut self, owned: &mut Owned, letter: DeadLetter, error: String) -> Result<(), Halt> {
        let attempts = letter.attempts.saturating_add(1);
        let last_failed_at = Timestamp::now();
        let letter = DeadLetter { error, attempts, last_failed_at, status: DeadLetterStatus::Parked, ..letter };
        self.post_at(owned, &letter, owned.position).await?;
        owned.parked.insert(letter.stream.clone(), letter);
        Ok(())
    }
}

impl Owned {
    fn park(&mut self, letter: &DeadLetter, behind: Option<&DeadLetter>) {
        match behind {
            Some(behind) => self.parked.insert(behind.stream.clone(), behind.clone()),
            None => self.parked.remove(&letter.stream),
        };
    }
}
