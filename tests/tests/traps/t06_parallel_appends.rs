//! Parallel appends: with any version all are stored, with an exact one a single one wins.

use es_core::ExpectedVersion::{Any, Exact};
use es_core::{Appended, Error, EventStore, Version};
use es_memory::MemoryStore;
use tokio::task::JoinSet;

use crate::support::{append, ids, migrated};

async fn all_are_stored<S: EventStore + Clone + 'static>(store: S) {
    for parallel in [20, 100] {
        let id = format!("{parallel} at once");
        let results = race(&store, parallel, |_| append(&id, Any, 1)).await;
        let mut versions: Vec<u64> = results.into_iter().map(|result| result.unwrap().version.0).collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=parallel).collect::<Vec<_>>());
        assert_eq!(ids(&store, &id).await.len() as u64, parallel);
    }
}

async fn one_wins<S: EventStore + Clone + 'static>(store: S) {
    const ROUNDS: u64 = 1000;
    for round in 0..ROUNDS {
        let results = race(&store, 3, |_| append("contended", Exact(Version(round)), 1)).await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "round {round}: {results:?}");
        for refused in results.into_iter().filter_map(Result::err) {
            let Error::Conflict(conflict) = refused else { panic!("round {round}: {refused:?}") };
            assert_eq!((conflict.expected, conflict.actual), (Exact(Version(round)), Version(round + 1)));
        }
    }
    assert_eq!(ids(&store, "contended").await.len() as u64, ROUNDS);
}

async fn race<S: EventStore + Clone + 'static>(
    store: &S,
    parallel: u64,
    append: impl Fn(u64) -> es_core::Append,
) -> Vec<Result<Appended, Error>> {
    let mut contenders = JoinSet::new();
    for contender in 0..parallel {
        let (store, append) = (store.clone(), append(contender));
        contenders.spawn(async move { store.append(append).await });
    }
    contenders.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_parallel_appends_of_any_version_are_stored_in_memory() {
    all_are_stored(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_parallel_appends_of_any_version_are_stored_on_postgres() {
    all_are_stored(migrated().await.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_parallel_appends_of_an_exact_version_wins_in_memory() {
    one_wins(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_parallel_appends_of_an_exact_version_wins_on_postgres() {
    one_wins(migrated().await.1).await;
}
