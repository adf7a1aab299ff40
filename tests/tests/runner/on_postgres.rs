//! Notes in a table of PostgreSQL.

use es_core::{BoxError, ReadModelStore, ReadModelTransaction};
use es_postgres::PgStore;
use es_test_support::Database;
use sqlx::{PgConnection, Row};

use crate::world::{Note, World};

impl World for PgStore {
    async fn note(db: &mut PgConnection, note: Note) -> Result<(), BoxError> {
        let insert =
            sqlx::query("INSERT INTO notes (stream, version, position, replay, text) VALUES ($1, $2, $3, $4, $5)");
        let Note { stream, version, position, replay, text } = note;
        let bound = insert.bind(stream).bind(i64::try_from(version)?).bind(i64::try_from(position)?);
        bound.bind(replay).bind(text).execute(db).await?;
        Ok(())
    }

    async fn forget(db: &mut PgConnection) -> Result<(), BoxError> {
        sqlx::query("DELETE FROM notes").execute(db).await?;
        Ok(())
    }

    async fn forget_behind(db: &mut PgConnection, place: u64) -> Result<(), BoxError> {
        sqlx::query("DELETE FROM notes WHERE position > $1").bind(i64::try_from(place)?).execute(db).await?;
        Ok(())
    }

    async fn notes(&self) -> Vec<Note> {
        let select = sqlx::query("SELECT stream, version, position, replay, text FROM notes ORDER BY written");
        let mut reads = self.begin().await.unwrap();
        let rows = select.fetch_all(reads.target()).await.unwrap();
        let number = |row: &sqlx::postgres::PgRow, column| row.get::<i64, _>(column).unsigned_abs();
        rows.iter()
            .map(|row| Note {
                stream: row.get("stream"),
                version: number(row, "version"),
                position: number(row, "position"),
                replay: row.get("replay"),
                text: row.get("text"),
            })
            .collect()
    }
}

/// A migrated store with room for notes.
pub async fn open() -> Result<(PgStore, Database), BoxError> {
    let database = Database::create().await;
    let store = PgStore::connect(database.url()).await?;
    store.migrate().await?;
    make_room(&store).await?;
    Ok((store, database))
}

/// Room for notes, in a database that has none.
pub async fn make_room(store: &PgStore) -> Result<(), BoxError> {
    let columns = "stream text, version bigint, position bigint, replay boolean, text text";
    let create = format!("CREATE TABLE notes (written bigint GENERATED ALWAYS AS IDENTITY, {columns})");
    let mut creates = store.begin().await?;
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(creates.target()).await?;
    Ok(creates.commit().await?)
}
