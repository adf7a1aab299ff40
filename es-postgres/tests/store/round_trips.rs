//! What a command costs on the network.

use es_core::{Aggregate, Command, Context, Event, EventStore, EventStoreExt, Snapshots};
use es_postgres::PgStore;
use es_test_support::Proxy;

use crate::fixture::{add, connection, run, store, stream};

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(category = "counter")]
enum CounterEvent {
    Counted,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Counter(u64);

impl Aggregate for Counter {
    type Id = String;
    type Event = CounterEvent;
    fn apply(&mut self, _: CounterEvent) {
        self.0 += 1;
    }
    fn snapshots() -> Snapshots<Self> {
        Snapshots::every(1_000)
    }
}

#[derive(Clone, Command, serde::Serialize)]
#[command(aggregate = Counter)]
struct Count {
    id: String,
}

impl es_core::Handle<Count> for Counter {
    type Error = std::convert::Infallible;
    fn handle(&self, _: Count, _: &Context) -> Result<impl es_core::IntoEvents<CounterEvent>, Self::Error> {
        Ok(CounterEvent::Counted)
    }
}

#[tokio::test]
async fn a_command_takes_one_to_load_and_one_to_append() {
    let (_store, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::connect(&proxy.url(database.url())).await.unwrap();
    let count = Count { id: "7".to_owned() };
    store.execute(count.clone()).await.unwrap();
    for _ in 0..10 {
        proxy.reset();
        store.execute(count.clone()).await.unwrap();
        assert_eq!(proxy.turns(), 2);
    }
}

/// A counter whose state is kept at hand.
#[derive(Aggregate, Clone, Default)]
#[aggregate(id = String, event = CounterEvent, apply = count, cached)]
struct Clicks(u64);

fn count(clicks: &mut Clicks, _: CounterEvent) {
    clicks.0 += 1;
}

#[derive(Clone, Command)]
#[command(aggregate = Clicks, handle = click, error = TooMany)]
struct Click {
    id: String,
    most: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("there were {0} clicks")]
struct TooMany(u64);

fn click(clicks: &Clicks, command: Click, _: &Context) -> Result<CounterEvent, TooMany> {
    if clicks.0 < command.most { Ok(CounterEvent::Counted) } else { Err(TooMany(clicks.0)) }
}

#[tokio::test]
async fn a_command_upon_a_state_at_hand_takes_one_to_append() {
    let (_store, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    let click = |most| store.execute(Click { id: "7".to_owned(), most });
    // The statements are prepared: what was loaded has one, and what is at hand another.
    click(9).await.unwrap();
    click(9).await.unwrap();
    click(0).await.unwrap_err();
    for n in 3..=5 {
        proxy.reset();
        assert_eq!(click(9).await.unwrap().state.0, n);
        assert_eq!(proxy.turns(), 1);
    }
    proxy.reset();
    assert!(matches!(click(5).await.unwrap_err().rejection(), Some(TooMany(5))));
    assert_eq!(proxy.turns(), 1, "a refusal asks the store what has come since");
}

#[tokio::test]
async fn with_the_connection_goes_what_was_at_hand() {
    let (_store, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    let click = || store.execute(Click { id: "7".to_owned(), most: 9 });
    click().await.unwrap();
    assert_eq!(store.cache().unwrap().len(), 1);
    proxy.cut_now();
    // Another stream, so that it is not put at hand again.
    store.load::<Counter>("8").await.unwrap();
    assert_eq!(store.cache().unwrap().len(), 0, "whatever is behind the new connection may be another history");
}

#[tokio::test]
async fn a_history_that_was_replaced_is_noticed() {
    let (store, database) = store().await;
    let click = |most| store.execute(Click { id: "7".to_owned(), most });
    let mut owner = connection(database.url()).await;
    run(&mut owner, "ALTER TABLE es.events DISABLE TRIGGER refuse_change").await;
    let replace = |events: u32| {
        format!(
            "DELETE FROM es.events;
             INSERT INTO es.events (category, stream_id, version, event_id, type, schema_version, payload, slice)
             SELECT 'counter', '7', n, gen_random_uuid(), 'counter.counted', 1, 'null', 0 FROM generate_series(1, {events}) n"
        )
    };
    click(9).await.unwrap();
    assert_eq!(click(9).await.unwrap().version.0, 2);
    run(&mut owner, &replace(5)).await;
    assert!(matches!(click(3).await.unwrap_err().rejection(), Some(TooMany(5))), "it has grown");
    assert_eq!(click(9).await.unwrap().version.0, 6);
    run(&mut owner, &replace(6)).await;
    assert!(matches!(click(6).await.unwrap_err().rejection(), Some(TooMany(6))), "it is as long, and another");
    assert_eq!(click(9).await.unwrap().version.0, 7);
    run(&mut owner, &replace(1)).await;
    assert_eq!(click(2).await.unwrap().version.0, 2, "it has shrunk");
}

#[tokio::test]
async fn a_command_under_a_key_takes_one_more_to_look_it_up() {
    let (_store, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    let count = |key| store.execute(Count { id: "7".to_owned() }).idempotency_key(key);
    // Behind the first one the process looks for old keys. The second one waits until it is done with that.
    count("first").await.unwrap();
    count("second").await.unwrap();
    for key in ["third", "fourth"] {
        proxy.reset();
        count(key).await.unwrap();
        assert_eq!(proxy.turns(), 3);
    }
}

#[tokio::test]
async fn many_events_take_one_as_well() {
    let (_store, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::connect(&proxy.url(database.url())).await.unwrap();
    add(&store, "7", 50).await;
    proxy.reset();
    add(&store, "7", 50).await;
    assert_eq!(proxy.turns(), 1);
    store.delete_snapshots(&stream("7")).await.unwrap();
}
