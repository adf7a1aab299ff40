//! Tests of read models: a story, what should come of it, and everything that must not make a difference.

mod opened;
mod seen;
mod story;
mod round_trip;
mod rig;
mod checks;
mod on_store;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::aggregate::Aggregate;
use crate::document::Document;
use crate::event::IntoEvents;
use crate::id::AsId;
use crate::metadata::Metadata;
use crate::read_model::{ProjectionId, ReadModelStore};
use crate::runner::Runner;
use crate::timestamp::Timestamp;

use opened::{Boxed, Open};
use rig::Rig;
use seen::Seen;
use story::Story;

pub use on_store::{OnStore, read_model_on};
pub use opened::TestStore;
pub use seen::{AllDocuments, ReadBack};

/// Whether a rebuild is part of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rebuilds {
    Expected,
    LeftOut,
}

/// Has the runner run the projection, in its rig.
type Plan<S> = Box<dyn Fn(Runner<S>, Arc<Rig>) -> Runner<S> + Send + Sync>;
/// Reads back what a read model shows.
type Look<S, R> = Box<dyn Fn(S) -> Boxed<R> + Send + Sync>;

/// A test of a read model: what has happened, and what should come of it. [`verify`](Self::verify) runs it.
///
/// # Example: an optional part of the test, and another left out
///
/// ```
/// # use es_core::{Aggregate, Event, Projector, Recorded};
/// # use es_memory::{TableError, Tables};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Opened, Closed }
/// # #[derive(Default)]
/// # struct Door;
/// # impl Aggregate for Door {
/// #     type Id = u32;
/// #     type Event = DoorEvent;
/// #     fn apply(&mut self, _: DoorEvent) {}
/// # }
/// # struct OpenDoors;
/// # impl Projector for OpenDoors {
/// #     const NAME: &'static str = "open_doors";
/// #     type Event = DoorEvent;
/// #     type Target = Tables;
/// #     type Error = TableError;
/// #     async fn project(&self, event: &Recorded<DoorEvent>, tables: &mut Tables) -> Result<(), TableError> {
/// #         match event.event {
/// #             DoorEvent::Opened => tables.put("open", event.stream.id(), &true)?,
/// #             DoorEvent::Closed => tables.remove("open", event.stream.id()),
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// use es_core::testing::read_model_on;
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// read_model_on(|| async { MemoryStore::new() })
///     .projector(|| OpenDoors, |store| async move { store.table::<bool>("open").list().unwrap() })
///     .given::<Door>(7, [DoorEvent::Opened, DoorEvent::Closed])
///     .given::<Door>(8, DoorEvent::Opened)
///     .expect(vec![("8".to_owned(), true)])
///     .cannot_be_rebuilt()
///     .verify()
///     .await;
/// # }
/// ```
#[must_use = "nothing is tested before `verify().await`"]
pub struct ReadModelTest<S, R: Seen> {
    id: ProjectionId,
    open: Open<S>,
    plan: Plan<S>,
    look: Look<S, R>,
    /// What can be found out without a store.
    alone: fn(&ProjectionId, &Story) -> Result<(), String>,
    story: Story,
    now: Timestamp,
    metadata: Metadata,
    expected: R::Expected,
    any_order: bool,
    seed: u64,
    rebuilds: Rebuilds,
    redelivery: bool,
}

impl<S: ReadModelStore, R: Seen> ReadModelTest<S, R> {
    fn new(id: ProjectionId, open: Open<S>, plan: Plan<S>, look: Look<S, R>) -> Self {
        Self {
            id,
            open,
            plan,
            look,
            alone: |_, _| Ok(()),
            story: Story::default(),
            now: Timestamp::UNIX_EPOCH,
            metadata: Metadata::default(),
            expected: R::Expected::default(),
            any_order: true,
            seed: 0,
            rebuilds: Rebuilds::Expected,
            redelivery: false,
        }
    }

    /// Adds what has happened to an aggregate: an event, several, or `()` for nothing. Events of different aggregates may
    /// alternate: the log has them in the order in which they are given. Their ids count from 1.
    ///
    /// # Panics
    /// When the id cannot name a stream, and when an event cannot be written.
    #[track_caller]
    pub fn given<A: Aggregate>(mut self, id: impl AsId<A::Id>, events: impl IntoEvents<A::Event>) -> Self {
        self.story.tell::<A>(id, events, &self.metadata, self.now);
        self
    }

    /// The time at which the events that are given from here on were recorded, as the read model sees it. The default is the Unix
    /// epoch.
    pub fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The metadata of the events that are given from here on.
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Leaves out that the streams' events come in other orders: for read models to which the order between these streams is part
    /// of the meaning. Within a stream, the order is always kept.
    pub fn order_between_streams_matters(self) -> Self {
        Self { any_order: false, ..self }
    }

    /// The first of the seeds by which other orders between the streams are drawn. The default is 0, and the same seed draws the
    /// same orders.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Leaves out the rebuild: for projectors without [`clear`](crate::Projector::clear).
    pub fn cannot_be_rebuilt(self) -> Self {
        Self { rebuilds: Rebuilds::LeftOut, ..self }
    }

    /// Adds that each event is handed in twice, and then all of them twice: for projectors that must bear it, because their effects
    /// are elsewhere. What is written to the store takes effect once, without any help of the projector's.
    pub fn survives_redelivery(self) -> Self {
        Self { redelivery: true, ..self }
    }

    /// Takes in the story in many ways, each in a store of its own, through the [`Runner`]. The first shows what is expected, and all
    /// others show the same:
    ///
    /// 1. Documents without a store: `key` and `apply` fail over no event, keys are such that a store can keep them, and each
    ///    document is the same when it is written as JSON and read again between the events.
    /// 2. All events at once, as far as the runner takes them: 250 to begin with. This shows what is expected, if anything is.
    /// 3. One event at a time.
    /// 4. A process that dies after each effect, before it is committed, followed by the next; and transactions that fail there,
    ///    and are tried again.
    /// 5. The streams' events in other orders between the streams; see [`seed`](Self::seed) and
    ///    [`order_between_streams_matters`](Self::order_between_streams_matters).
    /// 6. Events that arrive while it runs; and then a rebuild; see [`cannot_be_rebuilt`](Self::cannot_be_rebuilt).
    /// 7. If asked for, events that come twice; see [`survives_redelivery`](Self::survives_redelivery).
    ///
    /// To be called inside a tokio runtime. The future may move from thread to thread, so it can be spawned.
    ///
    /// # Panics
    /// When one of them fails: with what was done, a diff, and the events.
    pub async fn verify(self) {
        self.check_all().await;
    }
}

impl<S: ReadModelStore, D: Document> ReadModelTest<S, AllDocuments<D>> {
    /// Expects this document under the key. Documents are compared as they are stored.
    ///
    /// # Panics
    /// When the document cannot be written, or is another one when it is read again, so that no reader would ever get it.
    ///
    /// # Example: a field that is not stored
    ///
    /// ```should_panic
    /// # use es_core::{Aggregate, Document, Event, IntoKeys, Recorded};
    /// # #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// # #[event(category = "account")]
    /// # enum AccountEvent { Deposited { cents: i64 } }
    /// use es_core::testing::read_model_on;
    /// use es_memory::MemoryStore;
    ///
    /// #[derive(Default, PartialEq, serde::Serialize, serde::Deserialize)]
    /// struct Balance {
    ///     cents: i64,
    ///     #[serde(skip)]
    ///     movements: u32,
    /// }
    /// # impl Document for Balance {
    /// #     const NAME: &'static str = "balance";
    /// #     type Event = AccountEvent;
    /// #     fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys { event.stream.id() }
    /// #     fn apply(&mut self, _: &Recorded<AccountEvent>) {}
    /// # }
    ///
    /// let test = read_model_on(|| async { MemoryStore::new() }).documents::<Balance>();
    /// let _ = test.expect("ada", Balance { cents: 50, movements: 1 });     // readers get 0 movements
    /// ```
    #[track_caller]
    pub fn expect(self, key: impl Into<String>, document: D) -> Self
    where
        D: PartialEq,
    {
        let (id, key) = (self.id.clone(), key.into());
        match round_trip::stored(&id, &key, &document) {
            Ok(stored) => self.expect_value(key, Some(stored)),
            Err(wrong) => panic!("read model `{id}`: the expected {wrong}"),
        }
    }

    /// Expects no document under the key.
    pub fn expect_none(self, key: impl Into<String>) -> Self {
        self.expect_value(key.into(), None)
    }

    fn expect_value(mut self, key: String, document: Option<Value>) -> Self {
        self.expected.insert(key, document);
        self
    }
}

impl<S: ReadModelStore, V: PartialEq + fmt::Debug + Send + Sync> ReadModelTest<S, ReadBack<V>> {
    /// Expects this to be read back.
    pub fn expect(self, seen: V) -> Self {
        Self { expected: Some(seen), ..self }
    }
}

impl<S, R: Seen> fmt::Debug for ReadModelTest<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadModelTest").field("id", &self.id).field("story", &self.story).finish_non_exhaustive()
    }
}
