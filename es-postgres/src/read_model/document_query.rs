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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]
mod tests {
    use super::*;
    use es_core::{ReadModelKind, ReadModelStore, Registration};
    use es_test_support::Database;
    use sqlx::Row;

    use crate::PgStore;

    const DOCUMENTS: i64 = 100_000;

    /// Each owner has ten of them, and half are in one country.
    const FILL: &str = r#"INSERT INTO es.doc_statement_v1 (key, body)
        SELECT 'k' || n, json_build_object('owner', 'o' || n / 10, 'it''s \ "it"', 'x' || n, 'country', n % 2)
          FROM generate_series(1, $1::bigint) n"#;

    fn registration() -> Registration {
        let id = ProjectionId::new("statement", 1).unwrap();
        let mut registration = Registration::new(id, ReadModelKind::Documents);
        registration.indexed = &["owner", r#"it's \ "it""#, "country"];
        registration
    }

    fn asked(equal: &[(&'static str, &str)]) -> DocumentQuery {
        let mut query = DocumentQuery::new(10);
        query.equal = equal.iter().map(|&(field, value)| (field, value.to_owned())).collect();
        query
    }

    /// Runs it and tells how, with the number of rows that were looked at.
    async fn explain(store: &PgStore, query: &DocumentQuery) -> String {
        let list = List::new(store.connections().schema(), &registration().id, query);
        let mut lent = store.connections().acquire_fresh().await.unwrap();
        let prepare = format!("PREPARE planned AS {}", list.sql.as_str());
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(lent.connection()).await.unwrap();
        let values: String = list.values.iter().map(|value| format!(", '{}'", value.replace('\'', "''"))).collect();
        let explain = format!("EXPLAIN ANALYZE EXECUTE planned ('', {}{values})", list.limit);
        let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(lent.connection()).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
    }

    #[tokio::test]
    async fn a_field_that_is_asked_for_is_found_by_its_index() {
        let database = Database::create().await;
        let store = PgStore::connect(database.url()).await.unwrap();
        store.migrate().await.unwrap();
        store.register(&registration()).await.unwrap();
        let mut lent = store.connections().acquire().await.unwrap();
        sqlx::query(FILL).bind(DOCUMENTS).execute(lent.connection()).await.unwrap();
        for analyzed in [false, true] {
            if analyzed {
                sqlx::raw_sql("VACUUM ANALYZE es.doc_statement_v1").execute(lent.connection()).await.unwrap();
            }
            for (equal, found) in [
                (&[("owner", "o77")][..], 10),
                (&[(r#"it's \ "it""#, "x5")], 1),
                (&[("country", "1")], 10),
                (&[("country", "1"), ("owner", "o77")], 5),
            ] {
                let query = asked(equal);
                let page = store.list_documents(&registration().id, &query).await.unwrap();
                assert_eq!(page.len(), found, "{equal:?}");
                assert!(page.is_sorted(), "{page:?}");
                let plan = explain(&store, &query).await;
                assert!(
                    plan.contains("Index Cond: (((\"es\".field") || plan.contains("Index Cond: (((es.field"),
                    "{plan}"
                );
                assert!(!plan.contains("Sort"), "what an index has in order is not sorted:\n{plan}");
                assert!(!plan.contains("Rows Removed by Filter: 99"), "{plan}");
            }
        }
        lent.release();
    }
}
