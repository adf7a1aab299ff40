//! Appends of one stream, each behind the one before.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use es_core::EventId;
use tokio::task::JoinHandle;

use super::*;

type Told = JoinHandle<Result<Appended, Error>>;

/// Appends that follow each other, from a version and the event that is there.
fn chain(id: &str, mut version: u64, mut last: Option<EventId>, counts: &[usize]) -> Vec<Append> {
    let mut chain = Vec::new();
    for count in counts {
        let append = Append { behind: last, ..at(id, version, *count) };
        last = append.events.last().map(|event| event.id);
        version += *count as u64;
        chain.push(append);
    }
    chain
}

/// Sends these out, in their order: each has its place before the next one comes, and none is answered before the last one has it.
async fn in_order(store: &PgStore, database: &Database, appends: Vec<Append>) -> Vec<Told> {
    let mut holder = PgConnection::connect(database.url()).await.unwrap();
    run(&mut holder, "BEGIN; LOCK TABLE es.events IN SHARE ROW EXCLUSIVE MODE").await;
    let mut told = Vec::new();
    for append in appends {
        let store = store.clone();
        let mut sent: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move { store.append(append).await });
        let early = poll_fn(|context| Poll::Ready(sent.as_mut().poll(context))).await;
        assert!(early.is_pending());
        told.push(tokio::spawn(sent));
    }
    run(&mut holder, "ROLLBACK").await;
    told
}

async fn outcomes(told: Vec<Told>) -> Vec<Result<Appended, Error>> {
    let mut outcomes = Vec::new();
    for told in told {
        outcomes.push(told.await.unwrap());
    }
    outcomes
}

fn are_conflicts(outcomes: &[Result<Appended, Error>]) -> bool {
    outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(Error::is_conflict))
}

#[tokio::test]
async fn those_that_follow_each_other_are_stored_in_order_as_few() {
    let (store, database) = store().await;
    let counts: Vec<usize> = (0..100).map(|n| 1 + n % 3).collect();
    let told = in_order(&store, &database, chain("a", 0, None, &counts)).await;
    let mut version = 0;
    for (outcome, count) in outcomes(told).await.iter().zip(counts) {
        version += count as u64;
        assert_eq!(outcome.as_ref().unwrap().version.0, version);
    }
    let expected: Vec<String> = (1..=version).map(|version| format!("a {version}")).collect();
    assert_eq!(log(&store).await, expected);
    // The first is alone, 64 share a statement, and the rest another.
    assert_eq!(transactions_of_events(&database).await, 3);
    assert!(store.group().unwrap().lines.is_empty());
}

#[tokio::test]
async fn what_is_behind_one_that_loses_loses_too() {
    let (store, database) = store().await;
    store.append(at("a", 0, 1)).await.unwrap();
    // Of these the first is too late, and the others would be in time, if versions were all.
    let told = in_order(&store, &database, chain("a", 0, None, &[1, 1, 2, 1])).await;
    assert!(are_conflicts(&outcomes(told).await));
    assert_eq!(log(&store).await, ["a 1"]);
    // In the middle of what goes out together, too.
    let mut appends = chain("b", 0, None, &[1, 1, 1, 1, 1]);
    appends[2].behind = Some(EventId::new());
    let outcomes = outcomes(in_order(&store, &database, appends).await).await;
    assert_eq!(versions(&outcomes[..2]), [1, 2]);
    assert!(are_conflicts(&outcomes[2..]));
    assert!(store.group().unwrap().lines.is_empty());
}

#[tokio::test]
async fn what_the_server_refuses_takes_along_what_is_behind_it_and_nothing_before() {
    let (store, database) = store().await;
    let mut owner = PgConnection::connect(database.url()).await.unwrap();
    run(&mut owner, "ALTER TABLE es.events ADD CONSTRAINT whole CHECK (type <> 'order.broken')").await;
    let mut appends = chain("a", 0, None, &[1, 1, 2, 1, 1]);
    appends[2].events[1].event_type = "order.broken".into();
    let outcomes = outcomes(in_order(&store, &database, appends).await).await;
    assert_eq!(versions(&outcomes[..2]), [1, 2]);
    assert!(matches!(outcomes[2], Err(Error::Store { .. })), "{:?}", outcomes[2]);
    assert!(are_conflicts(&outcomes[3..]));
    assert_eq!(log(&store).await, ["a 1", "a 2"]);
    assert!(store.group().unwrap().lines.is_empty());
}

#[tokio::test]
async fn what_goes_alone_has_its_place_among_them() {
    let (store, database) = store().await;
    let large = 40;
    let mut appends = chain("a", 0, None, &[1, 1, large, 1, 1, 1]);
    let keyed = appends[4].clone().idempotent();
    appends[4] = keyed;
    assert!(!batch::may_join(&Prepared::new(appends[2].clone()).unwrap()));
    let outcomes = outcomes(in_order(&store, &database, appends).await).await;
    assert_eq!(versions(&outcomes), [1, 2, 42, 43, 44, 45]);
    assert!(store.group().unwrap().lines.is_empty());
}

#[tokio::test]
async fn who_gives_up_takes_no_answer_along_but_of_those_behind() {
    let (store, database) = store().await;
    for given_up in 0..6 {
        let id = given_up.to_string();
        let told = in_order(&store, &database, chain(&id, 0, None, &[1; 6])).await;
        told[given_up].abort();
        let mut stored = 0;
        for (nth, told) in told.into_iter().enumerate() {
            match told.await {
                Ok(Ok(appended)) => {
                    assert_eq!(appended.version.0, nth as u64 + 1);
                    stored += 1;
                }
                Ok(Err(error)) => assert!(error.is_conflict() && nth > given_up, "{nth}: {error:?}"),
                Err(_) => assert_eq!(nth, given_up),
            }
        }
        assert!(stored >= given_up, "those before are stored");
    }
    assert!(store.group().unwrap().lines.is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_found_out_by_each_of_them() {
    let (direct, database) = store().await;
    let proxy = Proxy::start(database.url()).await;
    let store = PgStore::options().max_connections(1).connect(&proxy.url(database.url())).await.unwrap();
    for (id, was_stored) in [("a", true), ("b", false)] {
        let appends = chain(id, 0, None, &[1, 1, 1, 1]);
        let mut batch = Vec::new();
        for append in appends {
            let (waiting, answered) =
                Waiting::new(Wish { append: Arc::new(Prepared::new(append).unwrap()), flight: None });
            batch.push((waiting, answered));
        }
        let mut run = None;
        let mut asked = Vec::new();
        for (waiting, answered) in batch {
            asked.push((Arc::clone(&waiting.wish.append), answered));
            match &mut run {
                None => run = Some(batch::Run::new(waiting)),
                Some(run) => run.push(waiting),
            }
        }
        let lent = store.connections().acquire().await.unwrap();
        if was_stored {
            proxy.cut_after_next_request()
        } else {
            proxy.cut_before_next_request()
        }
        let batch = Batch::new(run.into_iter().collect(), batch::Room::default(), Vec::new());
        queue::Batch::run(batch, &store, lent).await;
        for (nth, (append, answered)) in (1..).zip(asked) {
            let Ok(queue::Answer::Outcome(outcome)) = answered.await else { panic!("no outcome") };
            assert_eq!(outcome.of(&store, &append).await.unwrap().version.0, nth, "{id}");
        }
    }
    assert_eq!(log(&direct).await.len(), 8, "stored once");
}
