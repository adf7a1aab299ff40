//! Both stores, as any number of processes have them; and processes that can be frozen, and killed without a word.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use es_core::{EventStore, Position, RawEvent, ReadLog};
use es_memory::MemoryStore;
use es_postgres::PgStore;
use es_test_support::Database;
use tokio::runtime::{Builder, Runtime};

use crate::on_postgres::make_room;
use crate::world::World;

/// Short, because some cases wait until it has run out.
pub const LEASE: Duration = Duration::from_millis(600);

/// Where a store's data is.
pub trait Home: Clone + Send + Sync + 'static {
    type Store: World;

    /// Opens the store, as one more process does.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;
}

#[derive(Clone, Default)]
pub struct Memory(MemoryStore);

impl Home for Memory {
    type Store = MemoryStore;

    async fn open(&self) -> MemoryStore {
        self.0.clone()
    }
}

#[derive(Clone)]
pub struct Postgres(pub Arc<Database>);

impl Postgres {
    pub async fn new() -> Self {
        Self::on(Database::create().await).await
    }

    /// Migrated, and with room for notes.
    pub async fn on(database: Database) -> Self {
        let home = Self(Arc::new(database));
        let store = home.open().await;
        store.migrate().await.unwrap();
        make_room(&store).await.unwrap();
        home
    }
}

impl Home for Postgres {
    type Store = PgStore;

    async fn open(&self) -> PgStore {
        PgStore::connect(self.0.url()).await.unwrap()
    }
}

/// Makes two tests of each case, which is an async function of a [`Home`].
macro_rules! on_both_stores {
    ($($case:ident)*) => {
        $(
            mod $case {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn in_memory() {
                    super::$case($crate::homes::Memory::default()).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    super::$case($crate::homes::Postgres::new().await).await;
                }
            }
        )*
    };
}

/// As much of a process as fits into a thread: code that never gives way freezes all of it, its renewals included.
pub struct Process(Option<Runtime>);

impl Process {
    pub fn new() -> Self {
        Self(Some(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()))
    }

    /// Has it do something, and leaves what that has started running in it.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.0.as_ref().unwrap().spawn(work).await.unwrap()
    }

    /// Nothing in it has a chance to give anything back.
    pub fn kill(self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

/// The whole log, as (id of the stream, version, position).
pub async fn log<S: EventStore>(store: &S) -> Vec<(String, u64, u64)> {
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let visit = &mut |event: RawEvent<'_>| {
            all.push((event.stream.id().to_owned(), event.version.0, event.position.unwrap().0));
            Ok(())
        };
        let page = store.read_log(ReadLog::after(after).limit(100), visit).await.unwrap();
        if page.at_end {
            return all;
        }
        after = page.next;
    }
}
