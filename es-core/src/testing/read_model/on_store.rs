//! The beginning of a test: where the read model is kept, and what it is.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

use serde_json::Value;

use crate::document::Document;
use crate::projection::Projector;
use crate::read_model::{DocumentQuery, ProjectionId, ReadModelStore};
use crate::runner::Runner;
use crate::runner::guard::chain;
use crate::runner::work::{Fold, Project};
use crate::testing::read_model::opened::{Boxed, Open, Opened, TestStore};
use crate::testing::read_model::rig::Rigged;
use crate::testing::read_model::seen::{AllDocuments, ReadBack};
use crate::testing::read_model::{ReadModelTest, round_trip};

/// How many documents are read at once.
const PAGE: u32 = 500;

/// Begins a test of a read model with the way to open a fresh, empty store: a closure whose future comes to the store, to
/// `(store, guard)`, or to a `Result` with either; see [`TestStore`]. Each run of a test opens one, ten to twenty in all.
///
/// # Example: documents
///
/// ```
/// # use es_core::{Aggregate, Document, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { cents: i64 }, Withdrawn { cents: i64 } }
/// # #[derive(Default)]
/// # struct Account;
/// # impl Aggregate for Account {
/// #     type Id = String;
/// #     type Event = AccountEvent;
/// #     fn apply(&mut self, _: AccountEvent) {}
/// # }
/// # #[derive(Default, PartialEq, serde::Serialize, serde::Deserialize)]
/// # struct Balance { cents: i64 }
/// # impl Document for Balance {
/// #     const NAME: &'static str = "balance";
/// #     type Event = AccountEvent;
/// #     fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys { event.stream.id() }
/// #     fn apply(&mut self, event: &Recorded<AccountEvent>) {
/// #         match event.event {
/// #             AccountEvent::Deposited { cents } => self.cents += cents,
/// #             AccountEvent::Withdrawn { cents } => self.cents -= cents,
/// #         }
/// #     }
/// # }
/// use es_core::testing::read_model_on;
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// read_model_on(|| async { MemoryStore::new() })
///     .documents::<Balance>()
///     .given::<Account>("ada", [AccountEvent::Deposited { cents: 50 }, AccountEvent::Withdrawn { cents: 20 }])
///     .given::<Account>("bob", AccountEvent::Deposited { cents: 7 })
///     .expect("ada", Balance { cents: 30 })
///     .expect_none("eve")
///     .verify()
///     .await;
/// # }
/// ```
pub fn read_model_on<T, F>(open: impl Fn() -> F + Send + Sync + 'static) -> OnStore<T::Store>
where
    T: TestStore,
    F: Future<Output = T> + Send + 'static,
{
    let open = move || -> Boxed<Opened<T::Store>> {
        let opened = open();
        Box::pin(async move { Opened::new(opened.await) })
    };
    OnStore { open: Box::new(open) }
}

/// A way to open stores. What is to be tested on them?
///
/// # Example: the store in memory
///
/// ```
/// use es_core::testing::{OnStore, read_model_on};
/// use es_memory::MemoryStore;
///
/// fn in_memory() -> OnStore<MemoryStore> {
///     read_model_on(|| async { MemoryStore::new() })
/// }
/// # let _ = in_memory();
/// ```
#[must_use = "a store alone tests nothing: go on with `documents` or `projector`"]
pub struct OnStore<S> {
    open: Open<S>,
}

impl<S: ReadModelStore> OnStore<S> {
    /// Tests documents.
    ///
    /// # Panics
    /// When the documents have a name that no read model can have.
    #[track_caller]
    pub fn documents<D: Document>(self) -> ReadModelTest<S, AllDocuments<D>> {
        let id = id_of(D::NAME, D::VERSION);
        let plan = |runner: Runner<S>, rig| runner.plan(Rigged { work: Fold::<D>::new(), rig });
        let known = id.clone();
        let look = move |store| -> Boxed<AllDocuments<D>> { Box::pin(all_documents(store, known.clone())) };
        let test = ReadModelTest::new(id, self.open, Box::new(plan), Box::new(look));
        ReadModelTest { alone: round_trip::check::<D>, ..test }
    }

    /// Tests a projector. `make` makes one for each process, and `look` reads back what it has written, as anything that can be
    /// compared and shown: from the store, or through its own connection, `store.begin().await?.target()`.
    ///
    /// Where the projector has effects elsewhere, opening a store is the time to undo those of the run before.
    ///
    /// # Panics
    /// When the projector has a name that no read model can have.
    ///
    /// # Example: balances in a table
    ///
    /// ```
    /// # use es_core::{Aggregate, BoxError, Event, Projector, Recorded};
    /// # use es_memory::{TableError, Tables};
    /// # #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// # #[event(category = "account")]
    /// # enum AccountEvent { Deposited { cents: i64 } }
    /// # #[derive(Default)]
    /// # struct Account;
    /// # impl Aggregate for Account {
    /// #     type Id = String;
    /// #     type Event = AccountEvent;
    /// #     fn apply(&mut self, _: AccountEvent) {}
    /// # }
    /// # struct Balances;
    /// # impl Projector for Balances {
    /// #     const NAME: &'static str = "balances";
    /// #     type Event = AccountEvent;
    /// #     type Target = Tables;
    /// #     type Error = TableError;
    /// #     async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), TableError> {
    /// #         let before: i64 = tables.get("balances", event.stream.id())?.unwrap_or(0);
    /// #         let AccountEvent::Deposited { cents } = event.event;
    /// #         tables.put("balances", event.stream.id(), &(before + cents))
    /// #     }
    /// #     async fn clear(&self, tables: &mut Tables) -> Result<(), BoxError> {
    /// #         tables.clear("balances");
    /// #         Ok(())
    /// #     }
    /// # }
    /// use es_core::testing::read_model_on;
    /// use es_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// read_model_on(|| async { MemoryStore::new() })
    ///     .projector(|| Balances, |store| async move { store.table::<i64>("balances").list().unwrap() })
    ///     .given::<Account>("ada", [AccountEvent::Deposited { cents: 50 }, AccountEvent::Deposited { cents: 7 }])
    ///     .expect(vec![("ada".to_owned(), 57)])
    ///     .verify()
    ///     .await;
    /// # }
    /// ```
    #[track_caller]
    pub fn projector<P, V, F>(
        self,
        make: impl Fn() -> P + Send + Sync + 'static,
        look: impl Fn(S) -> F + Send + Sync + 'static,
    ) -> ReadModelTest<S, ReadBack<V>>
    where
        P: Projector<Target = S::Target>,
        V: PartialEq + fmt::Debug + Send + Sync,
        F: Future<Output = V> + Send + 'static,
    {
        let look = move |store| -> Boxed<ReadBack<V>> {
            let seen = look(store);
            Box::pin(async move { ReadBack(seen.await) })
        };
        let plan = move |runner: Runner<S>, rig| runner.plan(Rigged { work: Project(make()), rig });
        ReadModelTest::new(id_of(P::NAME, P::VERSION), self.open, Box::new(plan), Box::new(look))
    }
}

impl<S> fmt::Debug for OnStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnStore").finish_non_exhaustive()
    }
}

#[track_caller]
fn id_of(name: &str, version: u32) -> ProjectionId {
    match ProjectionId::new(name, version) {
        Ok(id) => id,
        Err(invalid) => panic!("{invalid}"),
    }
}

/// Reads all documents, page by page.
async fn all_documents<S: ReadModelStore, D>(store: S, id: ProjectionId) -> AllDocuments<D> {
    let mut documents = BTreeMap::<String, Value>::new();
    loop {
        let after = documents.last_key_value().map(|(key, _)| key.clone());
        let page = match store.list_documents(&id, &DocumentQuery { after, ..DocumentQuery::new(PAGE) }).await {
            Ok(page) => page,
            Err(error) => panic!("the documents of `{id}` cannot be listed: {}", chain(&error)),
        };
        if page.is_empty() {
            return AllDocuments::new(documents);
        }
        documents.extend(page.into_iter().map(|(key, json)| (key, serde_json::from_str(&json).unwrap_or_default())));
    }
}
