//! A projection that is taken in by the runner's own hands, and meets with an accident on the way.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::document::InvalidIndex;
use crate::error::BoxError;
use crate::event::{EncodedEvent, Event};
use crate::metadata::EventId;
use crate::projection::Batch;
use crate::read_model::{InvalidProjection, ProjectionId, ReadModelStore, Registration};
use crate::recorded::{Position, Recorded};
use crate::runner::guard::chain;
use crate::runner::work::{Replay, Scope, Work};
use crate::store::EventFilter;
use crate::timestamp::Timestamp;

/// What happens to each batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accident {
    Nothing,
    /// The process dies once, after the effect and before the commit.
    Dies,
    /// The transaction fails once, after the effect and before the commit, and the process goes on.
    Fails,
    /// Each event is handed in twice.
    EachTwice,
    /// The whole batch is handed in twice.
    AllTwice,
}

/// What the runs of one check have in common.
pub(super) struct Rig {
    accident: Accident,
    times: HashMap<EventId, Timestamp>,
    /// The batches that had their accident, by the first event and the size.
    hit: Mutex<HashSet<(EventId, usize)>>,
    /// Told when the process is to die.
    pub(super) death: Notify,
    refusal: Mutex<Option<String>>,
}

impl Rig {
    pub(super) fn new(accident: Accident, times: HashMap<EventId, Timestamp>) -> Arc<Self> {
        let (hit, death, refusal) = (Mutex::default(), Notify::new(), Mutex::default());
        Arc::new(Self { accident, times, hit, death, refusal })
    }

    /// Why nothing could be removed before a rebuild.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_hit_first<E>(&self, batch: &[Recorded<E>]) -> bool {
        let Some(first) = batch.first() else { return false };
        self.hit.lock().unwrap_or_else(PoisonError::into_inner).insert((first.id, batch.len()))
    }

    /// After the effect and before the commit.
    async fn strike<E>(&self, batch: &[Recorded<E>]) -> Result<(), BoxError> {
        match self.accident {
            Accident::Dies if self.is_hit_first(batch) => {
                self.death.notify_one();
                std::future::pending().await
            }
            Accident::Fails if self.is_hit_first(batch) => Err("the transaction was made to fail".into()),
            _ => Ok(()),
        }
    }

    /// The event, recorded at the time that the test has set, and not when it ran.
    fn timed<E: Event>(&self, event: &Recorded<E>) -> Result<Recorded<E>, BoxError> {
        let (event_type, payload) = (event.event.event_type(), event.event.encode()?);
        let stored =
            EncodedEvent::new(event.stream.category(), event_type.name(), event_type.schema_version(), &payload);
        Ok(Recorded {
            id: event.id,
            stream: event.stream.clone(),
            version: event.version,
            position: event.position,
            recorded_at: self.times.get(&event.id).copied().unwrap_or(event.recorded_at),
            metadata: event.metadata.clone(),
            event: E::decode(stored)?,
        })
    }
}

/// The projection under test.
pub(super) struct Rigged<W> {
    pub(super) work: W,
    pub(super) rig: Arc<Rig>,
}

impl<S: ReadModelStore, W: Work<S>> Work<S> for Rigged<W> {
    type Event = W::Event;

    fn registration() -> Result<Registration, InvalidProjection> {
        W::registration()
    }

    fn filter(&self) -> EventFilter {
        self.work.filter()
    }

    fn check_index(&self) -> Result<(), InvalidIndex> {
        self.work.check_index()
    }

    async fn take_in(
        &self,
        scope: Scope<'_>,
        batch: &Batch<'_, W::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<(), BoxError> {
        let events = batch.into_iter().map(|event| self.rig.timed(event)).collect::<Result<Vec<_>, _>>()?;
        let single = self.rig.accident == Accident::EachTwice;
        let times = if single || self.rig.accident == Accident::AllTwice { 2 } else { 1 };
        for part in events.chunks(if single { 1 } else { events.len().max(1) }) {
            for _ in 0..times {
                self.work.take_in(scope, &Batch::new(part, batch.is_replay()), transaction).await?;
            }
        }
        self.rig.strike(&events).await
    }

    async fn clear(&self, id: &ProjectionId, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        let cleared = self.work.clear(id, transaction).await;
        if let Err(error) = &cleared {
            *self.rig.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain(&**error));
        }
        cleared
    }

    async fn rewind(&self, to: Position, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        self.work.rewind(to, transaction).await
    }

    async fn replay(&self, signal: Replay, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        self.work.replay(signal, transaction).await
    }
}
