//! What is there, compared with the log: at any time no more than that, and in the end, when everything is healed and
//! caught up, all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use es_core::{
    Control, Document, EventStoreExt, ExpectedVersion, Position, ProjectionState, ProjectionStatus, ReadModelStore,
    ReadModels, Recorded, Running, StopReason,
};

use crate::Run;
use crate::domain::{Account, AccountEvent, Everything, Tally, Told, noted};
use crate::homes::Home;
use crate::readers::{Trail, runner};
use crate::words::all;
use crate::world::{PATIENCE, World, assert_each_once};

pub async fn settle<H: Home>(run: &Run<H>) {
    let (store, mut random) = (run.home.open().await, run.random(500));
    run.ailments.heal(&mut random, 100);
    let running = runner(store.clone(), &mut random, 0).start().await.unwrap();
    for id in all() {
        assert!(store.control(&id, Control::Resume).await.unwrap().is_accepted());
    }
    catch_up(&store, &running).await;
    for id in all() {
        let _ = store.control(&id, Control::RetryDeadLetters).await.unwrap();
    }
    // Behind whatever place parts were to meet at.
    store.append_events::<Account>("the last", ExpectedVersion::Any, noted("-last")).await.unwrap();
    catch_up(&store, &running).await;
    for (_, reason) in running.stop().await {
        assert_eq!(reason, StopReason::Asked);
    }
    let log = log(&store).await;
    assert_notes(&store, &log).await;
    assert_trails(&store, &log).await;
    assert_tallies::<_, 1>(&store, &log).await;
    assert_tallies::<_, 2>(&store, &log).await;
    assert_status(&store, &log).await;
    eprintln!("{} events", log.len());
}

async fn catch_up<S: World>(store: &S, running: &Running<S>) {
    if let Err(error) = running.catch_up_within(PATIENCE).await {
        panic!("{error}: {:?}\n{:#?}", running.progress(), store.projections().await);
    }
}

async fn log<S: World>(store: &S) -> Vec<Recorded<Everything>> {
    let (mut log, mut all) = (store.log::<Everything>(Position::START), Vec::new());
    while let Some(event) = log.next().await.unwrap() {
        all.push(event);
    }
    all
}

fn account_event(event: &Recorded<Everything>) -> Option<&AccountEvent> {
    match &event.event {
        Everything::Account(event) => Some(event),
        Everything::Order(_) => None,
    }
}

async fn assert_notes<S: World>(store: &S, log: &[Recorded<Everything>]) {
    let notes = store.notes().await;
    let mut noted: Vec<_> = notes.iter().map(|note| (note.position, note.text.clone())).collect();
    noted.sort();
    let of_log = |event| account_event(event).map(|account| (event.position.unwrap().0, account.text()));
    let expected: Vec<_> = log.iter().filter_map(of_log).collect();
    let missing: Vec<_> = expected.iter().filter(|note| !noted.contains(note)).collect();
    let twice: Vec<_> = noted.windows(2).filter(|two| two[0] == two[1]).map(|two| &two[0]).collect();
    assert!(missing.is_empty() && twice.is_empty(), "missing: {missing:?}, twice: {twice:?}");
    assert_each_once(&notes, expected.len());
}

/// The events that concern each account, by their streams, each with its versions in order. Events of several streams come
/// as the parts do.
type Trails = BTreeMap<String, BTreeMap<String, Vec<u64>>>;

fn trails_of(log: &[Recorded<Everything>]) -> Trails {
    let mut trails = Trails::new();
    for event in log {
        let mut concerned = Trail::concerned(event);
        concerned.sort();
        concerned.dedup();
        for account in concerned {
            let trail = trails.entry(account).or_default();
            trail.entry(event.stream.to_string()).or_default().push(event.version.0);
        }
    }
    trails
}

async fn trails<S: World>(store: &S) -> Trails {
    let by_streams = |(account, Trail { events }): (String, Trail)| {
        let mut trail = BTreeMap::<_, Vec<u64>>::new();
        for (stream, version) in events {
            trail.entry(stream).or_default().push(version);
        }
        (account, trail)
    };
    documents::<_, Trail>(store).await.into_iter().map(by_streams).collect()
}

async fn assert_trails<S: World>(store: &S, log: &[Recorded<Everything>]) {
    let (found, expected) = (trails(store).await, trails_of(log));
    for (account, trail) in &expected {
        for (stream, versions) in trail {
            let found = found.get(account).and_then(|trail| trail.get(stream));
            assert_eq!(found, Some(versions), "{stream} in the trail of {account}");
        }
    }
    assert_eq!(found, expected);
}

/// Looks now and then, because a rebuild covers up whatever was wrong before it.
pub async fn watch<H: Home>(run: Run<H>, actor: u64) {
    let (store, mut random) = (run.home.open().await, run.random(actor));
    while run.goes_on() {
        assert_no_more(&store).await;
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
    }
}

/// What is taken in of a stream are always its first events, each once.
async fn assert_no_more<S: World>(store: &S) {
    let (notes, trails) = (store.notes().await, trails(store).await);
    assert_each_once(&notes, notes.len());
    let expected = trails_of(&log(store).await);
    for (account, trail) in &trails {
        for (stream, found) in trail {
            let all = &expected[account][stream];
            assert!(all.starts_with(found), "{stream} in the trail of {account}: {found:?}, but the log has {all:?}");
        }
    }
}

async fn assert_tallies<S: World, const VERSION: u32>(store: &S, log: &[Recorded<Everything>]) {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for text in log.iter().filter_map(account_event).map(Told::text) {
        match text.split_at_checked(1) {
            Some(("+", name)) => *expected.entry(name.to_owned()).or_default() += 1,
            Some(("-", name)) => *expected.entry(name.to_owned()).or_default() -= 1,
            _ => {}
        }
    }
    expected.retain(|_, open| *open != 0);
    let found = documents::<_, Tally<VERSION>>(store).await;
    let found: BTreeMap<_, _> = found.into_iter().map(|(name, tally)| (name, tally.open)).collect();
    assert_eq!(found, expected, "the tallies of version {VERSION}");
}

async fn documents<S: World, D: Document>(store: &S) -> BTreeMap<String, D> {
    store.documents::<D>().unwrap().list(None, 100_000).await.unwrap().into_iter().collect()
}

async fn assert_status<S: World>(store: &S, log: &[Recorded<Everything>]) {
    let statuses = store.projections().await.unwrap();
    assert_eq!(statuses.len(), all().len());
    for name in ["notes", "tally", "trail"] {
        let serving = statuses.iter().filter(|status| status.id.name() == name && status.serving);
        assert_eq!(serving.count(), 1, "one version of {name} serves");
    }
    let accounts = log.iter().filter_map(account_event).count();
    for status in statuses {
        assert_eq!(status.state, ProjectionState::Running, "{status:?}");
        let (lag, parked) = (status.lag_events, status.parked);
        assert_eq!((lag, parked, &status.last_error), (0, 0, &None), "{status:?}");
        assert!(status.parts.iter().all(|part| part.owner.is_none()), "all leases were given back: {status:?}");
        assert_whole(&status);
        assert!(store.dead_letters(&status.id).await.unwrap().is_empty());
        // What comes again after a rewind is counted again.
        match status.id.name() {
            "notes" => assert!(status.events >= accounts as u64, "{status:?}"),
            "trail" => assert_eq!(status.events, log.len() as u64, "{status:?}"),
            _ => assert_eq!(status.events, accounts as u64, "{status:?}"),
        }
    }
}

/// All slices are in one part.
fn assert_whole(status: &ProjectionStatus) {
    let slices = status.parts.iter().flat_map(|part| part.slices.first()..=part.slices.last());
    assert!(slices.eq(0..es_core::SLICES), "{status:?}");
}
