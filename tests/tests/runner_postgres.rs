//! The runner on PostgreSQL: every case of the suite.

#[path = "runner/suite.rs"]
#[macro_use]
mod suite;
#[path = "runner/on_postgres.rs"]
mod on_postgres;

use es_core::{FailureClass, OnFailure, Phase, ProjectionId, Projector, ReadModelStore, Recorded, Runner};
use on_postgres::open;
use sqlx::PgConnection;
use suite::domain::AccountEvent;
use suite::world::{self, account, giving_up, put_texts, until};

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

/// Loses its connection, and says so in words of its own.
struct CutOff;

#[derive(Debug, thiserror::Error)]
#[error("the balance was not written")]
struct NotWritten(#[from] sqlx::Error);

impl Projector for CutOff {
    const NAME: &'static str = "cut_off";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = NotWritten;

    async fn project(&self, _: &Recorded<AccountEvent>, db: &mut PgConnection) -> Result<(), NotWritten> {
        Ok(sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(db).await.map(drop)?)
    }
}

#[tokio::test]
async fn trouble_that_will_pass_is_the_stores_whatever_it_is_wrapped_in() {
    let (store, _database) = open().await.unwrap();
    put_texts(&store, "ada", &["one"]).await;
    let running = Runner::new(store.clone()).settings(giving_up(OnFailure::skip())).add(CutOff).start().await.unwrap();
    let phase = || running.progress()[0].1.phase.clone();
    // It is tried more often than the policy says, and not left out.
    until("it was tried again", || async { matches!(phase(), Phase::Retrying { attempts: 4.., .. }) }).await;
    assert!(matches!(phase(), Phase::Retrying { class: FailureClass::Store, .. }), "{:?}", phase());
    assert_eq!(store.dead_letters(&ProjectionId::new("cut_off", 1).unwrap()).await.unwrap(), []);
    running.stop().await;
}

/// What it is to do to the connection that it was lent. Nothing comes back of it.
struct Careless(&'static str);

impl Projector for Careless {
    const NAME: &'static str = "careless";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = sqlx::Error;

    async fn project(&self, event: &Recorded<AccountEvent>, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        if event.stream == account("bob") {
            let _ = sqlx::raw_sql(self.0).execute(db).await;
        }
        Ok(())
    }
}

/// It is the projection's failure and no other's, so it stands for the event, and the policy says what becomes of that.
#[tokio::test]
async fn what_a_projector_has_done_to_its_transaction_is_a_failure_of_its_own() {
    for (does, told) in
        [("SELECT 1 / 0", "it did not return the error"), ("ROLLBACK", "must not say COMMIT or ROLLBACK")]
    {
        let (store, _database) = open().await.unwrap();
        for name in ["ada", "bob", "eve"] {
            put_texts(&store, name, &["one"]).await;
        }
        let runner = Runner::new(store.clone()).settings(giving_up(OnFailure::park())).add(Careless(does));
        runner.run_to_end().await.unwrap();
        let letters = store.dead_letters(&ProjectionId::new("careless", 1).unwrap()).await.unwrap();
        let [letter] = letters.as_slice() else { panic!("{does}: {letters:?}") };
        assert_eq!((&letter.stream, letter.class), (&account("bob"), Some(FailureClass::Refused)), "{does}");
        assert!(letter.error.contains(told), "{does}: {}", letter.error);
    }
}
