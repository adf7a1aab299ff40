//! Inline projections: read models that are written in the append's own transaction.

mod error;
mod layer;
mod wait;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::cache::AggregateCache;
use crate::document::{Document, InvalidIndex};
use crate::error::Error;
use crate::idempotency::{IdempotencyKey, KeyUse};
use crate::metadata::EventId;
use crate::projection::Projector;
use crate::read_model::{InvalidProjection, ReadModelStore, ReadModelTransaction, Registration};
use crate::recorded::{Append, Appended, Position};
use crate::runner::work::{Fold as Folded, Project, Work, filter_of};
use crate::snapshot::Snapshot;
use crate::store::{
    Bookmark, EventFilter, EventStore, Fold, InvalidFilter, LogPage, ReadConversation, ReadLog, ReadStream, Visit,
};
use crate::stream::StreamId;

use layer::{Layer, New, Opened, build};

pub use error::OpenError;

/// A store whose appends write read models in their own transaction: what a command has done shows as soon as it is
/// answered, and never half.
///
/// It has its price, so use it for what must never be late, and a [`Runner`](crate::Runner) for everything else:
///
/// - **Each append becomes a transaction** of several statements, where it was a single one. An append of events that none of
///   the projections wants stays as it is.
/// - **Appends wait for each other** where they change the same document or row, also when their streams are different.
/// - **An event that cannot be taken in is not stored**: a mistake in a projection stops the commands, with [`Error::Refused`].
/// - **All writers must take part.** An append through the plain store, by an older program for example, is not taken in.
/// - Events have no [position](crate::Recorded::position) yet, and there are neither dead letters nor replays.
///
/// When it is opened for the first time over a log with events, each projection is built from them first, while all
/// appends wait. To build it again, [drop](ReadModelStore::drop_projection) it, and open this again.
///
/// # Example: a balance that is never late
///
/// ```
/// # use es_core::{Aggregate, Event, ExpectedVersion, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Default)]
/// # struct Account;
/// # impl Aggregate for Account {
/// #     type Id = String;
/// #     type Event = AccountEvent;
/// #     fn apply(&mut self, _: AccountEvent) {}
/// # }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Balance { cents: u64 }
/// # impl es_core::Document for Balance {
/// #     const NAME: &'static str = "balance";
/// #     type Event = AccountEvent;
/// #     fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys { event.stream.id() }
/// #     fn apply(&mut self, event: &Recorded<AccountEvent>) {
/// #         let AccountEvent::Deposited { amount } = event.event;
/// #         self.cents += amount;
/// #     }
/// # }
/// use es_core::{EventStoreExt, Inline, ReadModels};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Inline::over(es_memory::MemoryStore::new()).document::<Balance>().open().await?;
///
/// store.append_events::<Account>("ada", ExpectedVersion::Any, AccountEvent::Deposited { amount: 5 }).await?;
/// assert_eq!(store.inner().documents::<Balance>()?.get("ada").await?.unwrap().cents, 5);
/// # Ok(())
/// # }
/// ```
pub struct Inline<S: ReadModelStore> {
    store: S,
    layers: Arc<[Opened<S>]>,
}

impl<S: ReadModelStore> Clone for Inline<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), layers: Arc::clone(&self.layers) }
    }
}

/// An [`Inline`] store that is put together. Made by [`Inline::over`].
///
/// # Example: several projections
///
/// ```
/// use es_core::{Document, Inline, OpenError};
/// use es_memory::MemoryStore;
///
/// async fn open<A: Document, B: Document>(store: MemoryStore) -> Result<Inline<MemoryStore>, OpenError> {
///     Inline::over(store).document::<A>().document::<B>().open().await
/// }
/// ```
#[must_use = "nothing is inline until it is opened"]
pub struct InlineBuilder<S: ReadModelStore> {
    store: S,
    planned: Vec<Plan<S>>,
}

/// A projection that is to be opened.
struct Plan<S: ReadModelStore> {
    registration: Result<Registration, InvalidProjection>,
    filter: Result<EventFilter, InvalidFilter>,
    index: Result<(), InvalidIndex>,
    layer: Box<dyn Layer<S>>,
}

impl<S: ReadModelStore> Inline<S> {
    /// Puts projections into the appends of a store.
    pub fn over(store: S) -> InlineBuilder<S> {
        InlineBuilder { store, planned: Vec::new() }
    }

    /// The store itself. What is appended through it is not taken in.
    pub fn inner(&self) -> &S {
        &self.store
    }

    async fn append_and_project(&self, append: Append) -> Result<Appended, Error> {
        let (stream, events) = (append.stream.clone(), append.events.clone());
        let mut transaction = self.store.begin().await?;
        let appended = transaction.append(append).await?;
        // What was stored before was taken in before.
        for opened in self.layers.iter().filter(|_| !appended.repeated) {
            let new = New { stream: &stream, events: &events, appended };
            opened.layer.take_in(opened, &self.store, new, &mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(appended)
    }

    fn is_wanted(&self, append: &Append) -> bool {
        let category = append.stream.category();
        append
            .events
            .iter()
            .any(|event| self.layers.iter().any(|opened| opened.filter.allows(category, &event.event_type)))
    }
}

impl<S: ReadModelStore> InlineBuilder<S> {
    /// Adds a projector.
    pub fn project<P: Projector<Target = S::Target>>(self, projector: P) -> Self {
        self.layer(Project(projector))
    }

    /// Adds documents.
    pub fn document<D: Document>(self) -> Self {
        self.layer(Folded::<D>::new())
    }

    fn layer<W: Work<S>>(mut self, work: W) -> Self {
        let (registration, filter, index) = (W::registration(), filter_of(&work), work.check_index());
        self.planned.push(Plan { registration, filter, index, layer: Box::new(work) });
        self
    }

    /// Makes room for the projections, and builds those that are new from the events that are there.
    ///
    /// # Errors
    /// [`OpenError`] for projections that cannot be, for one that could not be built, and for one that is known as one of another
    /// kind or run by a runner; and the store's own failures.
    pub async fn open(self) -> Result<Inline<S>, OpenError> {
        let Self { store, planned } = self;
        let layers = check(planned)?;
        for (_, Opened { id, filter, .. }) in &layers {
            let taken_in = store.taken_in(id).await?;
            if let Some(missed) = taken_in.and_then(|taken_in| taken_in.missed(filter)) {
                return Err(OpenError::WantsMore { id: id.clone(), missed: missed.to_string() });
            }
        }
        for (registration, opened) in &layers {
            let is_new = store.parts(&registration.id).await?.is_empty();
            if is_new && store.log_end().await? > Position::START {
                build(opened, &store).await?;
            }
            // Only now, so that one that was not built, because of a crash for example, is still new the next time. Whoever
            // builds it a second time does so from nothing, and finds the same.
            store.register(registration).await?;
        }
        for (_, Opened { id, filter, .. }) in &layers {
            store.take_up(id, filter).await?;
        }
        Ok(Inline { store, layers: layers.into_iter().map(|(_, opened)| opened).collect() })
    }
}

fn check<S: ReadModelStore>(planned: Vec<Plan<S>>) -> Result<Vec<(Registration, Opened<S>)>, OpenError> {
    let mut seen = HashSet::new();
    let mut layers = Vec::with_capacity(planned.len());
    for Plan { registration, filter, index, layer } in planned {
        let registration = Registration { inline: true, ..registration? };
        let id = registration.id.clone();
        if !seen.insert(id.clone()) {
            return Err(OpenError::Twice { id });
        }
        if let Err(source) = index {
            return Err(OpenError::Index { id, source });
        }
        match filter {
            Ok(filter) => layers.push((registration, Opened { id, filter, layer })),
            Err(source) => return Err(OpenError::Filter { id, source }),
        }
    }
    if layers.is_empty() { Err(OpenError::Nothing) } else { Ok(layers) }
}

impl<S: ReadModelStore> EventStore for Inline<S> {
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        if self.is_wanted(&append) { self.append_and_project(append).await } else { self.store.append(append).await }
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        self.store.find_key(key).await
    }

    async fn fold_stream(
        &self,
        stream: &StreamId,
        state_version: Option<u32>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        self.store.fold_stream(stream, state_version, fold).await
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.store.read_stream(read, visit).await
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        self.store.read_log(read, visit).await
    }

    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.store.read_conversation(read, visit).await
    }

    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.store.find_event(id, visit).await
    }

    async fn log_end(&self) -> Result<Position, Error> {
        self.store.log_end().await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.store.save_snapshot(snapshot).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.store.offer_snapshot(snapshot);
    }

    fn survives_failures(&self) -> bool {
        self.store.survives_failures()
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.store.delete_snapshots(stream).await
    }

    fn cache(&self) -> Option<&AggregateCache> {
        self.store.cache()
    }
}

impl<S: ReadModelStore> fmt::Debug for Inline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inline").field("projections", &self.layers.len()).finish_non_exhaustive()
    }
}

impl<S: ReadModelStore> fmt::Debug for InlineBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineBuilder").field("projections", &self.planned.len()).finish_non_exhaustive()
    }
}
