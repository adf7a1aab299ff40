//! Documents: a table for each type and version, with a row for each key.

use es_core::ProjectionId;
use sqlx::{PgConnection, SqlStr};

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::next;
use crate::row::{Column, Json};
use crate::schema::Schema;
use crate::sql::{Sql, in_schema};

/// The documents of the keys $1, a row for each key, in their order.
const LOAD: &str = "
SELECT d.body FROM unnest($1::text[]) WITH ORDINALITY k (key, nth)
  LEFT JOIN {documents} d ON d.key = k.key
 ORDER BY k.nth";

const SAVE: &str = "
INSERT INTO {documents} (key, body) SELECT * FROM unnest($1::text[], $2::json[])
ON CONFLICT (key) DO UPDATE SET body = excluded.body";

const DELETE: &str = "
DELETE FROM {documents} WHERE key = ANY ($1::text[])";

/// All of them. (`TRUNCATE` would empty the table for readers before the commit.)
const CLEAR: &str = "
DELETE FROM {documents}";

/// The next $2 behind the key $1. No key is empty, so all come behind the empty one.
const LIST: &str = "
SELECT key, body FROM {documents} WHERE key > $1 ORDER BY key LIMIT $2";

/// Where a statement names the table.
const PLACEHOLDER: &str = "{documents}";

/// The names of projections are lower-case letters, digits and underscores, so they are safe inside any SQL.
fn about(id: &ProjectionId, schema: &Schema, template: &str) -> SqlStr {
    let table = format!("{{schema}}.\"doc_{}_v{}\"", id.name(), id.version());
    in_schema(&template.replace(PLACEHOLDER, &table), schema)
}

/// The documents of some keys.
pub(crate) struct Load<'a> {
    sql: SqlStr,
    keys: &'a [String],
}

impl<'a> Load<'a> {
    pub(crate) fn new(schema: &Schema, id: &ProjectionId, keys: &'a [String]) -> Self {
        Self { sql: about(id, schema, LOAD), keys }
    }

    /// A key with a NUL names no document, and must not reach the server, which refuses it.
    fn keys(&self) -> Vec<Option<&'a str>> {
        self.keys.iter().map(|key| Some(key.as_str()).filter(|key| !key.contains('\0'))).collect()
    }
}

impl Ask for Load<'_> {
    type Answer = Vec<Option<String>>;

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let mut rows = sqlx::query(self.sql.clone()).bind(self.keys()).fetch(connection);
        let mut documents = Vec::with_capacity(self.keys.len());
        while let Some(row) = next(&mut rows).await? {
            documents.push(row.text_or_null(0)?.map(str::to_owned));
        }
        Ok(documents)
    }
}

/// Changed documents: new texts, and those that are not there any more.
pub(crate) struct Save<'a> {
    save: SqlStr,
    delete: SqlStr,
    keys: Vec<&'a str>,
    bodies: Vec<Json<'a>>,
    gone: Vec<&'a str>,
}

impl<'a> Save<'a> {
    pub(crate) fn new(schema: &Schema, id: &ProjectionId, documents: &'a [(String, Option<String>)]) -> Self {
        let (mut keys, mut bodies, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (key, body) in documents {
            match body {
                Some(body) => {
                    keys.push(key.as_str());
                    bodies.push(Json(body));
                }
                None => gone.push(key.as_str()),
            }
        }
        Self { save: about(id, schema, SAVE), delete: about(id, schema, DELETE), keys, bodies, gone }
    }
}

impl Ask for Save<'_> {
    type Answer = ();

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        if !self.keys.is_empty() {
            let query = sqlx::query(self.save.clone()).bind(&self.keys).bind(&self.bodies);
            query.execute(&mut *connection).await?;
        }
        if !self.gone.is_empty() {
            sqlx::query(self.delete.clone()).bind(&self.gone).execute(connection).await?;
        }
        Ok(())
    }
}

pub(crate) struct Clear(SqlStr);

impl Clear {
    pub(crate) fn new(schema: &Schema, id: &ProjectionId) -> Self {
        Self(about(id, schema, CLEAR))
    }
}

impl Ask for Clear {
    type Answer = ();

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        sqlx::query(self.0.clone()).execute(connection).await?;
        Ok(())
    }
}

/// A page of documents.
pub(crate) struct List<'a> {
    sql: SqlStr,
    after: &'a str,
    limit: u32,
}

impl<'a> List<'a> {
    /// Keys have no NUL, so those behind a text that has one are those behind the part before it.
    pub(crate) fn new(schema: &Schema, id: &ProjectionId, after: Option<&'a str>, limit: u32) -> Self {
        let after = after.unwrap_or_default().split('\0').next().unwrap_or_default();
        Self { sql: about(id, schema, LIST), after, limit }
    }
}

impl Ask for List<'_> {
    type Answer = Vec<(String, String)>;

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let query = sqlx::query(self.sql.clone()).bind(self.after).bind(i64::from(self.limit));
        let mut rows = query.fetch(connection);
        let mut page = Vec::new();
        while let Some(row) = next(&mut rows).await? {
            page.push((row.text(0)?.to_owned(), row.text(1)?.to_owned()));
        }
        Ok(page)
    }
}
