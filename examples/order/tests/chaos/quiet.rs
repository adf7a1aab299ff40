//! When chaos is over: what is left is done by a process in which nothing fails, until nothing is left.

use std::time::{Duration, Instant};

use es_core::{EventStore, ReadModelStore};
use es_postgres::PgStore;
use order::service::runner_with;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::faults::Faults;
use crate::houses::{self, Houses};
use crate::killer::retry_dead_letters;
use crate::process::{NAME, Task};

/// So many events, summed up over all projections.
const HARDLY_ANYTHING: u64 = 50;

/// What a killed process had sent is done all the same, if the server had read it by then.
const STILL_THERE: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = ANY ($2)";

/// Nothing is left when nobody is there who could do anything, everything that was stored by a certain moment is taken in by all
/// projections and reactors, none of which has set anything aside, and nothing was stored since.
pub(crate) async fn finish(task: &Task, store: &PgStore) {
    until_the_dead_are_gone(task).await;
    let partners = Houses { books: houses::connect(&task.partners).await, faults: Faults::none(), how: task.how };
    let running = runner_with(store, &partners, task.settings()).start().await.unwrap();
    let work = async {
        loop {
            let end = store.log_end().await.unwrap();
            running.catch_up_within(PATIENCE).await.unwrap();
            let set_aside = retry_dead_letters(store).await;
            if set_aside == 0 && store.log_end().await.unwrap() == end {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, work).await.expect("it ends");
    running.stop().await;
}

/// Not before the first moment, and not after the second.
pub(crate) async fn nearly(store: &PgStore, not_before: Instant, not_after: Instant) {
    tokio::time::sleep_until(not_before.into()).await;
    while Instant::now() < not_after && lag(store).await.iter().map(|(_, events)| events).sum::<u64>() > HARDLY_ANYTHING
    {
        sleep(Duration::from_millis(100)).await;
    }
}

async fn until_the_dead_are_gone(task: &Task) {
    let name = |url: &str| url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().get_database().unwrap().to_owned();
    let databases = [name(&task.store), name(&task.partners)];
    let mut connection = PgConnection::connect(&task.store).await.unwrap();
    let gone = async {
        loop {
            let there = sqlx::query(STILL_THERE).bind(NAME).bind(databases.clone()).fetch_one(&mut connection).await;
            if there.unwrap().get::<i64, _>(0) == 0 {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("a server notices that its client is gone");
}

/// How many events each projection has still to take in.
pub(crate) async fn lag(store: &PgStore) -> Vec<(String, u64)> {
    let statuses = store.projections().await.unwrap();
    statuses.into_iter().map(|status| (status.id.name().to_owned(), status.lag_events)).collect()
}
