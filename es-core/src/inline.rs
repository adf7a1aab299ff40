//! Inline projections: read models that are written in the append's own transaction.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::document::Document;
use crate::error::{BoxError, Error};
use crate::idempotency::{IdempotencyKey, KeyUse};
use crate::projection::{Batch, Projector};
use crate::read_model::{InvalidProjection, ProjectionId, ReadModelStore, ReadModelTransaction, Registration};
use crate::recorded::{Append, Appended, NewEvent, Position, RawEvent, Recorded};
use crate::retry::Retry;
use crate::runner::guard::guarded;
use crate::runner::work::{Fold as Folded, Project, Scope, Work};
use crate::snapshot::Snapshot;
use crate::store::{BoxFuture, EventStore, Fold, LogPage, ReadLog, ReadStream, Visit};
use crate::stream::{StreamId, Version};

/// A store whose appends write read models in their own transaction: what a command has done shows as soon as it is
/// answered, and never half.
///
/// It has its price, so use it for what must never be late, and a [`Runner`](crate::Runner) for everything else:
///
/// - **Each append becomes a transaction** of several statements, where it was a single one. An append of events that none of
///   the projections wants stays as it is.
/// - **Appends wait for each other** where they change the same document or row, also when their streams are different.
/// - **An event that cannot be taken in is not stored**: a mistake in a projection stops the commands.
/// - **All writers must take part.** An append through the plain store, by an older program for example, is not taken in.
/// - Events have no [position](Recorded::position) yet, and there are neither dead letters nor replays.
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
    layers: Arc<[Box<dyn Layer<S>>]>,
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
/// use es_core::{Document, Error, Inline};
/// use es_memory::MemoryStore;
///
/// async fn open<A: Document, B: Document>(store: MemoryStore) -> Result<Inline<MemoryStore>, Error> {
///     Inline::over(store).document::<A>().document::<B>().open().await
/// }
/// ```
#[must_use = "nothing is inline until it is opened"]
pub struct InlineBuilder<S: ReadModelStore> {
    store: S,
    layers: Vec<Box<dyn Layer<S>>>,
}

impl<S: ReadModelStore> Inline<S> {
    /// Puts projections into the appends of a store.
    pub fn over(store: S) -> InlineBuilder<S> {
        InlineBuilder { store, layers: Vec::new() }
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
        for layer in self.layers.iter().filter(|_| !appended.repeated) {
            layer.take_in(&self.store, New { stream: &stream, events: &events, appended }, &mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(appended)
    }

    fn is_wanted(&self, append: &Append) -> bool {
        let category = append.stream.category();
        append.events.iter().any(|event| self.layers.iter().any(|layer| layer.wants(category, &event.event_type)))
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
        self.layers.push(Box::new(work));
        self
    }

    /// Makes room for the projections, and builds those that are new from the events that are there.
    ///
    /// # Errors
    /// [`Error::Setup`] for a name that cannot be, and for a projection that is known as one of another kind or run by a
    /// runner; what went wrong while one was built; and the store's own failures.
    pub async fn open(self) -> Result<Inline<S>, Error> {
        let Self { store, layers } = self;
        if layers.is_empty() {
            return Err(Error::setup(
                "an inline store needs at least one projection: call `project` or `document` before `open`",
            ));
        }
        let mut seen = HashSet::new();
        for layer in &layers {
            if let Ok(Registration { id, .. }) = layer.registration()
                && !seen.insert(id.clone())
            {
                return Err(Error::setup(format!("projection `{id}` was added twice")));
            }
        }
        for layer in &layers {
            let registration = layer.registration().map_err(|invalid| Error::setup(invalid.to_string()))?;
            let is_new = store.parts(&registration.id).await?.is_empty();
            if is_new && store.log_end().await? > Position::START {
                build(&**layer, &store).await?;
            }
            // Only now, so that one that was not built, because of a crash for example, is still new the next time. Whoever
            // builds it a second time does so from nothing, and finds the same.
            store.register(&Registration { inline: true, ..registration }).await?;
        }
        Ok(Inline { store, layers: layers.into() })
    }
}

/// Builds it, however often an append comes in between.
async fn build<S: ReadModelStore>(layer: &dyn Layer<S>, store: &S) -> Result<(), Error> {
    let (retry, start) = (Retry::default(), Instant::now());
    let mut attempts = 0;
    loop {
        attempts += 1;
        match layer.build(store).await {
            Err(error) if error.is_transient() && retry.allows(attempts, start.elapsed()) => retry.wait(attempts).await,
            built => return built,
        }
    }
}

/// What was just appended.
#[derive(Clone, Copy)]
struct New<'a> {
    stream: &'a StreamId,
    events: &'a [NewEvent],
    appended: Appended,
}

impl New<'_> {
    /// The events, as a reader of the stream will find them.
    fn raw(&self) -> impl Iterator<Item = RawEvent<'_>> {
        let before = self.appended.version.0.saturating_sub(self.events.len() as u64);
        self.events.iter().zip(before + 1..).map(|(event, version)| RawEvent {
            id: event.id,
            stream: self.stream.clone(),
            version: Version(version),
            position: None,
            event_type: &event.event_type,
            schema_version: event.schema_version,
            payload: &event.payload,
            metadata: event.metadata.clone(),
            recorded_at: self.appended.recorded_at,
        })
    }
}

/// A projection of any kind.
trait Layer<S: ReadModelStore>: Send + Sync {
    fn registration(&self) -> Result<Registration, InvalidProjection>;

    fn wants(&self, category: &str, event_type: &str) -> bool;

    fn take_in<'a>(
        &'a self,
        store: &'a S,
        new: New<'a>,
        transaction: &'a mut S::Transaction,
    ) -> BoxFuture<'a, Result<(), Error>>;

    fn build<'a>(&'a self, store: &'a S) -> BoxFuture<'a, Result<(), Error>>;
}

/// Why an append was refused that the store itself would have taken.
#[derive(Debug, thiserror::Error)]
#[error("projection `{id}` could not take in the events, so they were not stored")]
struct Refused {
    id: ProjectionId,
    source: BoxError,
}

impl<S: ReadModelStore, W: Work<S>> Layer<S> for W {
    fn registration(&self) -> Result<Registration, InvalidProjection> {
        W::registration()
    }

    fn wants(&self, category: &str, event_type: &str) -> bool {
        self.filter().allows(category, event_type)
    }

    fn take_in<'a>(
        &'a self,
        store: &'a S,
        new: New<'a>,
        transaction: &'a mut S::Transaction,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let filter = self.filter();
            let wanted = new.raw().filter(|raw| filter.allows(raw.stream.category(), raw.event_type));
            let events = wanted.map(RawEvent::decode).collect::<Result<Vec<Recorded<W::Event>>, _>>()?;
            project(self, store, &events, false, transaction).await
        })
    }

    fn build<'a>(&'a self, store: &'a S) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let id = W::registration().map_err(|invalid| Error::setup(invalid.to_string()))?.id;
            let mut transaction = store.begin().await?;
            transaction.hold_appends().await?;
            let end = store.log_end().await?;
            self.clear(&id, &mut transaction).await.map_err(|source| Error::store(Refused { id, source }))?;
            let mut next = Position::START;
            while next < end {
                let mut events = Vec::new();
                let mut visit = |raw: RawEvent<'_>| {
                    events.push(raw.decode()?);
                    Ok(())
                };
                let page = store.read_log(ReadLog::after(next).filter(self.filter()), &mut visit).await?;
                if !events.is_empty() {
                    project(self, store, &events, true, &mut transaction).await?;
                }
                next = if page.at_end { end } else { page.next };
            }
            transaction.commit().await
        })
    }
}

async fn project<S: ReadModelStore, W: Work<S>>(
    work: &W,
    store: &S,
    events: &[Recorded<W::Event>],
    replay: bool,
    transaction: &mut S::Transaction,
) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let id = W::registration().map_err(|invalid| Error::setup(invalid.to_string()))?.id;
    let taken = guarded(work.take_in(Scope { id: &id, shared: true }, &Batch::new(events, replay), transaction)).await;
    taken.map_err(BoxError::from).flatten().map_err(|source| {
        if store.is_transient(&source) { Error::unavailable(source) } else { Error::store(Refused { id, source }) }
    })
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
}

impl<S: ReadModelStore> fmt::Debug for Inline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inline").field("projections", &self.layers.len()).finish_non_exhaustive()
    }
}

impl<S: ReadModelStore> fmt::Debug for InlineBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineBuilder").field("projections", &self.layers.len()).finish_non_exhaustive()
    }
}
