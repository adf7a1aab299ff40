//! Documents: a table for each type and version, with a row for each key.

use es_core::ProjectionId;
use sqlx::{PgConnection, SqlStr};

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::next;
use crate::read_model::statements::of;
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

pub(crate) const MAKE: &str = "SELECT {schema}.make_documents($1, $2)";

/// All of them. (`TRUNCATE` would empty the table for readers before the commit.)
const CLEAR: &str = "
DELETE FROM {documents}";

/// Locks the rows of the keys $1 in the order of the keys, so that no two transactions wait for each other, and puts something
/// in the places where none is, because what is not there cannot be locked. It answers where that was.
///
/// `WHERE false` leaves a row that is there as it is, and locked all the same.
const LOCK: &str = "
INSERT INTO {documents} AS d (key, body)
SELECT k.key, ' null' FROM unnest($1::text[]) k (key) ORDER BY k.key COLLATE \"C\"
ON CONFLICT (key) DO UPDATE SET body = d.body WHERE false
RETURNING key";

/// What was put in a place to lock it must not be there after the commit.
const TIDY: &str = "
DELETE FROM {documents} WHERE key = ANY ($1::text[]) AND body::text = ' null'";

/// What stands where a document is not yet. No document is written like that: no JSON that a program writes begins with a space.
pub(crate) const NOT_THERE: &str = " null";

/// Where a statement names the table.
const PLACEHOLDER: &str = "{documents}";

/// The names of projections are lower-case letters, digits and underscores, so they are safe inside any SQL.
pub(crate) fn about(id: &ProjectionId, schema: &Schema, template: &str) -> SqlStr {
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
            documents.push(row.text_or_null(0)?.filter(|&body| body != NOT_THERE).map(str::to_owned));
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

/// All documents are removed. That is how the building of inline documents begins, which may have no table yet.
pub(crate) struct Clear<'a> {
    id: &'a ProjectionId,
    clear: SqlStr,
}

impl<'a> Clear<'a> {
    pub(crate) fn new(schema: &Schema, id: &'a ProjectionId) -> Self {
        Self { id, clear: about(id, schema, CLEAR) }
    }
}

impl Ask for Clear<'_> {
    type Answer = ();

    async fn ask(&mut self, sql: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        of(&sql.read_models.make_documents, self.id).execute(&mut *connection).await?;
        sqlx::query(self.clear.clone()).execute(connection).await?;
        Ok(())
    }
}

/// Keys to be locked. Answers which of them name no document yet.
pub(crate) struct Lock<'a> {
    sql: SqlStr,
    keys: &'a [String],
}

impl<'a> Lock<'a> {
    pub(crate) fn new(schema: &Schema, id: &ProjectionId, keys: &'a [String]) -> Self {
        Self { sql: about(id, schema, LOCK), keys }
    }
}

impl Ask for Lock<'_> {
    type Answer = Vec<String>;

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<Vec<String>, Failure> {
        let mut rows = sqlx::query(self.sql.clone()).bind(self.keys).fetch(connection);
        let mut not_there = Vec::new();
        while let Some(row) = next(&mut rows).await? {
            not_there.push(row.text(0)?.to_owned());
        }
        Ok(not_there)
    }
}

/// Removes what stands where keys were locked and no document was saved.
pub(crate) struct Tidy {
    sql: SqlStr,
    keys: Vec<String>,
}

impl Tidy {
    pub(crate) fn new(schema: &Schema, id: &ProjectionId, keys: impl IntoIterator<Item = String>) -> Self {
        Self { sql: about(id, schema, TIDY), keys: keys.into_iter().collect() }
    }
}

impl Ask for Tidy {
    type Answer = ();

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<(), Failure> {
        sqlx::query(self.sql.clone()).bind(&self.keys).execute(connection).await?;
        Ok(())
    }
}
