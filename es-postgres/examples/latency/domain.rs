//! Events, and a document that counts them all.

use es_core::{Append, Document, Event, EventStore, ExpectedVersion, IntoKeys, Metadata, NewEvent, Recorded, StreamId};
use es_postgres::{PgStore, WakeUps};
use es_test_support::{Database, Server};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
pub(crate) enum AccountEvent {
    Deposited { amount: i64 },
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Total {
    pub(crate) events: usize,
}

impl Document for Total {
    const NAME: &'static str = "total";
    type Event = AccountEvent;

    fn key(_: &Recorded<AccountEvent>) -> impl IntoKeys {
        Self::KEY
    }

    fn apply(&mut self, _: &Recorded<AccountEvent>) {
        self.events += 1;
    }
}

impl Total {
    pub(crate) const KEY: &str = "all";
}

/// One deposit to the account of this number.
pub(crate) async fn deposit(store: &PgStore, account: u64) {
    let event = NewEvent::encode(&AccountEvent::Deposited { amount: 5 }, &Metadata::default()).unwrap();
    let stream = StreamId::new("account", account.to_string()).unwrap();
    store.append(Append::new(stream, ExpectedVersion::Any, vec![event])).await.unwrap();
}

pub(crate) async fn migrated(server: &Server) -> Database {
    let database = Database::create_on(server).await;
    PgStore::connect(database.url()).await.unwrap().migrate().await.unwrap();
    database
}

pub(crate) async fn store(url: &str, wake_ups: WakeUps) -> PgStore {
    PgStore::options().max_connections(16).wake_ups(wake_ups).connect(url).await.unwrap()
}

pub(crate) fn wake_ups(name: &str) -> WakeUps {
    if name == crate::name(WakeUps::AcrossProcesses) { WakeUps::AcrossProcesses } else { WakeUps::WithinProcess }
}

/// The value below which so many percent of the sorted ones lie.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: usize) -> T {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
