//! The same on PostgreSQL, where a transaction is another thing to lose.

use es_core::testing::read_model_on;
use es_core::{BoxError, Projector, ReadModelStore, ReadModelTransaction, Recorded};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::PgConnection;

use super::domain::{Account, AccountEvent, deposited};

struct Sums;

impl Projector for Sums {
    const NAME: &'static str = "sums";
    type Event = AccountEvent;
    type Target = PgConnection;
    type Error = sqlx::Error;

    async fn project(&self, event: &Recorded<AccountEvent>, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let AccountEvent::Deposited { cents } = event.event else { return Ok(()) };
        sqlx::query("INSERT INTO sums VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET cents = sums.cents + $2")
            .bind(event.stream.id())
            .bind(cents)
            .execute(db)
            .await?;
        Ok(())
    }

    async fn clear(&self, db: &mut PgConnection) -> Result<(), BoxError> {
        sqlx::query("DELETE FROM sums").execute(db).await?;
        Ok(())
    }
}

async fn open() -> Result<(PgStore, Database), BoxError> {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await?;
    store.migrate().await?;
    let mut transaction = store.begin().await?;
    let create = "CREATE TABLE sums (account text PRIMARY KEY, cents bigint NOT NULL)";
    sqlx::query(create).execute(transaction.target()).await?;
    transaction.commit().await?;
    Ok((store, database))
}

async fn sums(store: PgStore) -> Vec<(String, i64)> {
    let mut reads = store.begin().await.unwrap();
    sqlx::query_as("SELECT account, cents FROM sums ORDER BY account").fetch_all(reads.target()).await.unwrap()
}

#[tokio::test]
async fn a_right_one_passes() {
    read_model_on(open)
        .projector(|| Sums, sums)
        .given::<Account>("ada", [deposited(50), deposited(20)])
        .given::<Account>("bob", deposited(7))
        .expect(vec![("ada".into(), 70), ("bob".into(), 7)])
        .verify()
        .await;
}
