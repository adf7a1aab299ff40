//! The contract of every store, sentence by sentence, on PostgreSQL.

use es_core::conformance::OpenError;
use es_postgres::PgStore;
use es_test_support::Database;

async fn open() -> Result<(PgStore, Database), OpenError> {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await?;
    store.migrate().await?;
    Ok((store, database))
}

es_core::conformance_tests!(open());
es_core::read_model_conformance_tests!(open());
es_core::import_conformance_tests!(open());
