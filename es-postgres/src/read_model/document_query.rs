//! Which documents are asked for by their fields, as SQL.

use es_core::{DocumentQuery, ProjectionId};
use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr, SqlStr};

use crate::connections::Ask;
use crate::error::Failure;
use crate::read::next;
use crate::read_model::documents::about;
use crate::row::Column;
use crate::schema::Schema;
use crate::sql::{Sql, in_schema};

/// The next $2 behind the key $1. No key is empty, so all come behind the empty one. What only marks a place is left out: see
/// [`NOT_THERE`](crate::read_model::documents::NOT_THERE).
const LIST: &str = "
SELECT key, body FROM {documents} WHERE key > $1 AND body::text <> ' null'";

/// With the name of the field in its text, so that its index, which has it there too, is found.
const EQUAL: &str = "
   AND {schema}.field(body, {field}) COLLATE \"C\" = {schema}.comparable({value})";

const IN_ORDER: &str = "
 ORDER BY key LIMIT $2";

/// A page of documents.
pub(crate) struct List<'a> {
    sql: SqlStr,
    after: &'a str,
    limit: u32,
    values: Vec<String>,
}

impl<'a> List<'a> {
    /// Keys have no NUL, so those behind a text that has one are those behind the part before it.
    pub(crate) fn new(schema: &Schema, id: &ProjectionId, query: &'a DocumentQuery) -> Self {
        let after = query.after.as_deref().unwrap_or_default().split('\0').next().unwrap_or_default();
        let values = query.equal.iter().map(|(_, value)| comparable(value)).collect();
        Self { sql: text(schema, id, query), after, limit: query.limit, values }
    }
}

/// The schema's name is put in before the fields' names, which may hold anything.
fn text(schema: &Schema, id: &ProjectionId, query: &DocumentQuery) -> SqlStr {
    let mut text = about(id, schema, LIST).as_str().to_owned();
    let equal = in_schema(EQUAL, schema);
    for (nth, (field, _)) in (3..).zip(&query.equal) {
        text.push_str(&equal.as_str().replace("{value}", &format!("${nth}")).replace("{field}", &literal(field)));
    }
    text.push_str(IN_ORDER);
    AssertSqlSafe(text).into_sql_str()
}

/// A text inside a statement, whatever the server takes a backslash for.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// How the database sees a value that may hold a NUL: see the function `field` in the migrations.
fn comparable(value: &str) -> String {
    value.replace("\\u0000", "\\uffff").replace('\0', "\u{ffff}")
}

impl Ask for List<'_> {
    type Answer = Vec<(String, String)>;

    async fn ask(&mut self, _: &Sql, connection: &mut PgConnection) -> Result<Self::Answer, Failure> {
        let mut query = sqlx::query(self.sql.clone()).bind(self.after).bind(i64::from(self.limit));
        for value in &self.values {
            query = query.bind(value);
        }
        let mut rows = query.fetch(connection);
        let mut page = Vec::new();
        while let Some(row) = next(&mut rows).await? {
            page.push((row.text(0)?.to_owned(), row.text(1)?.to_owned()));
        }
        Ok(page)
    }
}
