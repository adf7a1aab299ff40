//! The runner on PostgreSQL: every case of the suite.

#[path = "runner/suite.rs"]
#[macro_use]
mod suite;
#[path = "runner/on_postgres.rs"]
mod on_postgres;

use es_core::{FailureClass, OnFailure, Projector, Recorded, Runner};
use on_postgres::open;
use sqlx::PgConnection;
use suite::domain::AccountEvent;
use suite::world::{self, giving_up, put_texts};

runner_tests!(open());

/// Asks for more than the server has time for.
struct Slow;

impl Projector for Slow {
    const NAME: &'static str = "slow";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = sqlx::Error;

    async fn project(&self, _: &Recorded<AccountEvent>, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("SET LOCAL statement_timeout = '5ms'").execute(&mut *db).await?;
        sqlx::query("SELECT pg_sleep(60)").execute(db).await.map(drop)
    }
}

#[tokio::test]
async fn what_the_server_has_no_time_for_is_of_that_class() {
    let (store, _database) = open().await.unwrap();
    put_texts(&store, "ada", &["one"]).await;
    let running = Runner::new(store.clone()).settings(giving_up(OnFailure::stop())).add(Slow).start().await.unwrap();
    let (_, reason) = running.stopped().await;
    assert_eq!(reason.class(), Some(FailureClass::TooSlow), "{reason:?}");
    running.stop().await;
}
