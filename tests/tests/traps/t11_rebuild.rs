//! A rebuild in place while everybody writes: what comes of it equals a twin that was built live, by hash.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{
    Control, Document, DocumentQuery, IntoKeys, ProjectionId, ReadModelStore, Recorded, Runner, Running, Settings,
};
use serde::{Deserialize, Serialize};

use crate::domain::{AccountEvent, Everything, OrderEvent, noted};
use crate::homes::{Home, log};
use crate::random::Random;
use crate::world::{
    Notes, PATIENCE, Script, World, assert_exactly_once, control, id, place, put, put_texts, status, until,
};

/// Tells of everything that concerns an account, and in which order it came, in a few bytes. It is never removed, because then
/// it would not tell of what was there before a rebuild.
#[derive(Default, Serialize, Deserialize)]
struct Trail<const VERSION: u32> {
    events: u64,
    trail: u64,
}

impl<const VERSION: u32> Document for Trail<VERSION> {
    const NAME: &'static str = "trail";
    const VERSION: u32 = VERSION;
    type Event = Everything;

    fn key(event: &Recorded<Everything>) -> impl IntoKeys {
        match &event.event {
            Everything::Account(AccountEvent::SharedWith { accounts }) => accounts.clone(),
            Everything::Account(_) => vec![event.stream.id().to_owned()],
            Everything::Order(OrderEvent::Placed { account }) => vec![account.clone()],
        }
    }

    fn apply(&mut self, event: &Recorded<Everything>) {
        let mut hasher = DefaultHasher::new();
        (self.trail, &event.stream, event.version.0).hash(&mut hasher);
        self.trail = hasher.finish();
        self.events += 1;
    }
}

on_both_stores! {
    a_rebuild_while_everybody_writes_equals_a_live_built_twin
}

const WRITERS: u64 = 4;
const REBUILDS: u64 = 3;

/// Writes until it is over, as fast as a database lets it.
async fn write<S: World>(store: S, mut random: Random, over: Arc<AtomicBool>) {
    while !over.load(Ordering::SeqCst) {
        let (own, other) = (format!("k{}", random.below(8)), format!("k{}", random.below(8)));
        match random.below(8) {
            0 => put(&store, &own, [AccountEvent::SharedWith { accounts: vec![other] }]).await,
            1 => put(&store, &own, [AccountEvent::Closed]).await,
            2 => place(&store, &format!("o{}", random.next()), &other).await,
            3 => put(&store, &own, [noted("a"), AccountEvent::Closed, noted("b")]).await,
            _ => put_texts(&store, &own, &["one", "two"]).await,
        }
        // In memory nobody ever waits, and there would be writers and nothing else.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn twins() -> [ProjectionId; 2] {
    [1, 2].map(|version| ProjectionId::new("trail", version).unwrap())
}

/// Of all documents, as they are stored.
async fn hash<S: World>(store: &S, of: &ProjectionId) -> (usize, u64) {
    let documents = store.list_documents(of, &DocumentQuery::new(1_000)).await.unwrap();
    let mut hasher = DefaultHasher::new();
    documents.hash(&mut hasher);
    (documents.len(), hasher.finish())
}

/// How many events the one that is rebuilt has taken in more often than the one that is not.
fn taken_in_again<S: ReadModelStore>(running: &Running<S>) -> u64 {
    let events: Vec<u64> = running.progress().into_iter().map(|(_, progress)| progress.events).collect();
    events[1].saturating_sub(events[0])
}

async fn a_rebuild_while_everybody_writes_equals_a_live_built_twin<H: Home>(home: H) {
    let (store, seed) = (home.open().await, Random::fresh_seed());
    let runner = Runner::new(home.open().await).settings(Settings::default().batch(50));
    let runner = runner.document::<Trail<1>>().document::<Trail<2>>();
    let running = runner.add(Notes::<H::Store>::new(&Script::new())).start().await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writer = |writer| tokio::spawn(write(store.clone(), Random::of(seed, writer), Arc::clone(&over)));
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();

    let [live, rebuilt] = twins();
    for rebuild in 1..=REBUILDS {
        let enough = 200 * rebuild;
        until("there is something to rebuild", || async { status(&store, &live).await.events > enough }).await;
        let before = taken_in_again(&running);
        control(&store, &rebuilt, Control::Rebuild).await;
        control(&store, &id("notes"), Control::Rebuild).await;
        until("it is under way", || async { taken_in_again(&running) > before + enough / 2 }).await;
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    running.catch_up_within(PATIENCE).await.unwrap();
    until("both have all", || async {
        let (live, rebuilt) = (status(&store, &live).await, status(&store, &rebuilt).await);
        live.lag_events == 0 && rebuilt.lag_events == 0 && live.events == rebuilt.events
    })
    .await;

    let (live, rebuilt) = (hash(&store, &live).await, hash(&store, &rebuilt).await);
    assert!(live.0 > 3, "seed {seed}: there is something to compare");
    assert_eq!(live, rebuilt, "seed {seed}");
    let accounts = log(&store).await.into_iter().filter(|(stream, ..)| stream.starts_with('k')).count();
    assert_exactly_once(&store.notes().await, accounts);
    running.stop().await;
}
