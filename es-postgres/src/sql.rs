//! The text of every statement, with the schema's name in it, made once for each store.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::group::batch;
use crate::loads::batch as loads;
use crate::schema::Schema;
use crate::{append, conversation, import, keys, log, read, read_model, snapshot};

/// Where a statement names the schema.
const PLACEHOLDER: &str = "{schema}";

#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) appends: Appends,
    pub(crate) keyed_appends: Appends,
    pub(crate) group: Groups,
    pub(crate) find_key: SqlStr,
    pub(crate) remove_key: SqlStr,
    pub(crate) remove_some_keys: SqlStr,
    pub(crate) last_event: SqlStr,
    pub(crate) find_event: SqlStr,
    pub(crate) load: SqlStr,
    pub(crate) load_with_snapshot: SqlStr,
    pub(crate) load_rest: SqlStr,
    pub(crate) loads: Loads,
    pub(crate) read_forwards: SqlStr,
    pub(crate) read_backwards: SqlStr,
    pub(crate) log_window: SqlStr,
    pub(crate) log_page: SqlStr,
    pub(crate) log_end: SqlStr,
    pub(crate) read_conversation: SqlStr,
    pub(crate) find_by_id: SqlStr,
    pub(crate) import_versions: SqlStr,
    pub(crate) import_there: SqlStr,
    pub(crate) import_now: SqlStr,
    pub(crate) import_then: SqlStr,
    pub(crate) save_snapshot: SqlStr,
    pub(crate) delete_snapshots: SqlStr,
    pub(crate) read_models: read_model::Statements,
}

/// The statements that append, by how many events and where.
#[derive(Debug)]
pub(crate) struct Appends {
    pub(crate) one_at: SqlStr,
    pub(crate) one_upon: SqlStr,
    pub(crate) one_behind: SqlStr,
    pub(crate) all_at: SqlStr,
    pub(crate) all_upon: SqlStr,
    pub(crate) all_behind: SqlStr,
}

/// The statements that store several appends, by what these hold.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) ones: SqlStr,
    pub(crate) ones_upon: SqlStr,
    pub(crate) any: SqlStr,
    pub(crate) any_upon: SqlStr,
}

/// The statements that load several streams, by what is wanted of them.
#[derive(Debug)]
pub(crate) struct Loads {
    pub(crate) streams: SqlStr,
    pub(crate) with_snapshots: SqlStr,
}

impl Appends {
    /// `last` is the number of the last parameter.
    fn new(schema: &Schema, last: u32, one: impl Fn(&str) -> String, all: impl Fn(&str) -> String) -> Self {
        let text = |template: String| in_schema(&append::upon_any(&template), schema);
        let upon = |template: String| in_schema(&append::upon(&template, last + 1), schema);
        Self {
            one_at: text(one(append::ONE_AT)),
            one_upon: upon(one(append::ONE_AT)),
            one_behind: text(one(append::ONE_BEHIND)),
            all_at: text(all(append::ALL_AT)),
            all_upon: upon(all(append::ALL_AT)),
            all_behind: text(all(append::ALL_BEHIND)),
        }
    }
}

impl Sql {
    pub(crate) fn new(schema: &Schema, keys_kept_for: Duration) -> Self {
        let text = |template: &str| in_schema(template, schema);
        let kept_for = keys::interval(keys_kept_for);
        let of_keys = |template: &str| in_schema(&template.replace(keys::KEPT_FOR, &kept_for), schema);
        let keyed_all = |append: &str| append::all(&keys::keyed_all(append, append::LAST_OF_ALL));
        Self {
            appends: Appends::new(schema, 11, str::to_owned, append::all),
            keyed_appends: Appends::new(schema, 13, keys::keyed_one, keyed_all),
            group: Groups {
                ones: text(&batch::upon_any(&batch::ones())),
                ones_upon: text(&batch::upon(&batch::ones(), 12)),
                any: text(&batch::upon_any(&batch::any())),
                any_upon: text(&batch::upon(&batch::any(), 29)),
            },
            find_key: of_keys(keys::FIND),
            remove_key: of_keys(keys::REMOVE),
            remove_some_keys: of_keys(keys::REMOVE_SOME),
            last_event: text(append::LAST_EVENT),
            find_event: text(append::FIND_EVENT),
            load: text(read::LOAD),
            load_with_snapshot: text(read::LOAD_WITH_SNAPSHOT),
            load_rest: text(read::LOAD_REST),
            loads: Loads { streams: text(&loads::streams()), with_snapshots: text(&loads::streams_with_snapshots()) },
            read_forwards: text(read::FORWARDS),
            read_backwards: text(read::BACKWARDS),
            log_window: text(log::WINDOW),
            log_page: text(log::PAGE),
            log_end: text(log::END),
            read_conversation: text(conversation::READ),
            find_by_id: text(conversation::FIND),
            import_versions: text(import::VERSIONS),
            import_there: text(import::THERE),
            import_now: text(import::NOW),
            import_then: text(import::THEN),
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
