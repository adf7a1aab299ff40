//! The text of every statement, with the schema's name in it, made once for each store.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::schema::Schema;
use crate::{append, log, read, read_model, snapshot};

/// Where a statement names the schema.
const PLACEHOLDER: &str = "{schema}";

#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) append_one_at: SqlStr,
    pub(crate) append_one_behind: SqlStr,
    pub(crate) append_all_at: SqlStr,
    pub(crate) append_all_behind: SqlStr,
    pub(crate) current_version: SqlStr,
    pub(crate) find_event: SqlStr,
    pub(crate) load: SqlStr,
    pub(crate) load_with_snapshot: SqlStr,
    pub(crate) read_forwards: SqlStr,
    pub(crate) read_backwards: SqlStr,
    pub(crate) log_window: SqlStr,
    pub(crate) log_page: SqlStr,
    pub(crate) log_dense_page: SqlStr,
    pub(crate) log_end: SqlStr,
    pub(crate) save_snapshot: SqlStr,
    pub(crate) delete_snapshots: SqlStr,
    pub(crate) read_models: read_model::Statements,
}

impl Sql {
    pub(crate) fn new(schema: &Schema) -> Self {
        let text = |template| in_schema(template, schema);
        Self {
            append_one_at: text(append::ONE_AT),
            append_one_behind: text(append::ONE_BEHIND),
            append_all_at: text(append::ALL_AT),
            append_all_behind: text(append::ALL_BEHIND),
            current_version: text(append::CURRENT_VERSION),
            find_event: text(append::FIND_EVENT),
            load: text(read::LOAD),
            load_with_snapshot: text(read::LOAD_WITH_SNAPSHOT),
            read_forwards: text(read::FORWARDS),
            read_backwards: text(read::BACKWARDS),
            log_window: text(log::WINDOW),
            log_page: text(log::PAGE),
            log_dense_page: text(log::DENSE_PAGE),
            log_end: text(log::END),
            save_snapshot: text(snapshot::SAVE),
            delete_snapshots: text(snapshot::DELETE),
            read_models: read_model::Statements::new(schema),
        }
    }
}

/// The name of a schema is checked to be letters, digits and underscores, so it is safe inside any SQL.
pub(crate) fn in_schema(template: &str, schema: &Schema) -> SqlStr {
    let text: Arc<str> = template.replace(PLACEHOLDER, &schema.quoted()).into();
    AssertSqlSafe(text).into_sql_str()
}
