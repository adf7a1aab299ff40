//! The schema that everything lies in: its name, its migrations, and whether it fits this library.

use es_core::Error;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, PgConnection, Row, SqlSafeStr};

use crate::error;
use crate::sql::in_schema;

/// PostgreSQL cuts longer names off.
const MAX_NAME_BYTES: usize = 63;

/// Each migration: its number, what it does, and its text with a placeholder for the schema's name.
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (1, "events, ticks, snapshots", include_str!("../migrations/0001_events_ticks_snapshots.sql")),
    (2, "read models", include_str!("../migrations/0002_read_models.sql")),
    (3, "idempotency keys", include_str!("../migrations/0003_idempotency_keys.sql")),
    (4, "classes of failures", include_str!("../migrations/0004_classes_of_failures.sql")),
    (5, "conversations", include_str!("../migrations/0005_conversations.sql")),
    (6, "filters of projections", include_str!("../migrations/0006_filters_of_projections.sql")),
    (7, "words and letters", include_str!("../migrations/0007_words_and_letters.sql")),
    (8, "room for documents", include_str!("../migrations/0008_room_for_documents.sql")),
];

/// The table that remembers which migrations were run, in the schema itself, so that schemas are independent of each other.
const MIGRATIONS_TABLE: &str = "_migrations";

/// A name that is safe in any SQL: letters, digits and underscores.
#[derive(Clone, Debug)]
pub(crate) struct Schema(String);

impl Schema {
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let goes_on_well = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !starts_well || !goes_on_well || name.len() > MAX_NAME_BYTES || name.starts_with("pg_") {
            return Err(Error::setup(format!(
                "{name:?} cannot be the name of the store's schema: take 1 to {MAX_NAME_BYTES} ASCII letters, digits \
                 and underscores, no digit first, and not `pg_` in front"
            )));
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    fn migrations_table(&self) -> String {
        format!("{}.{MIGRATIONS_TABLE}", self.quoted())
    }

    fn migrator(&self) -> Migrator {
        let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().map(|m| self.migration(m)).collect());
        migrator.dangerous_set_table_name(self.migrations_table());
        migrator
    }

    /// The checksum is that of the text before the name is put in, so that it tells releases apart and not schemas.
    fn migration(&self, &(number, title, template): &(i64, &'static str, &'static str)) -> Migration {
        let general = Migration::new(number, title.into(), MigrationType::Simple, template.into_sql_str(), false);
        Migration { sql: in_schema(template, self), ..general }
    }

    /// Brings the schema up to date, on a connection that is not used for anything else: should it fail, the lock that
    /// keeps other processes waiting ends with the connection.
    pub(crate) async fn migrate(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let applied = self.newest_applied(connection).await.map_err(|e| error::read(self, e))?;
        if applied == newest() {
            // Neither a lock nor a right is needed to find nothing to do.
            return Ok(());
        }
        let mut migrator = self.migrator();
        if !self.exists(connection).await.map_err(|e| error::read(self, e))? {
            // Under the lock of the migrator, because concurrent `IF NOT EXISTS` fail each other. And only if it is not
            // there, because a role without the right to make schemas may still own this one.
            migrator.create_schema(self.quoted());
        }
        migrator.run_direct(None, connection, false).await.map_err(|e| self.migration_error(e))
    }

    async fn exists(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let query = sqlx::query("SELECT to_regnamespace($1) IS NOT NULL").bind(self.quoted());
        query.fetch_one(connection).await?.try_get(0)
    }

    fn migration_error(&self, failure: MigrateError) -> Error {
        match failure {
            MigrateError::VersionMissing(version) => self.too_new(version),
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) if error::is_forbidden(&e) => {
                Error::Setup {
                    message: format!(
                        "the database role may not make or change schema `{0}`: migrate as its owner, or have an administrator \
                     run `CREATE SCHEMA {0} AUTHORIZATION the_role`",
                        self.0
                    ),
                    source: Some(e.into()),
                }
            }
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => error::read(self, e),
            MigrateError::VersionMismatch(version) => Error::Setup {
                message: format!(
                    "migration {version} of schema `{}` was run in another form than this library has it: use the \
                     release of es-postgres that made the schema, or another schema name",
                    self.0
                ),
                source: Some(failure.into()),
            },
            failure => Error::store(failure),
        }
    }

    /// Refuses a schema that a newer release has migrated further than this one knows. A schema that is not there is fine: it
    /// is either about to be made, or missed by the first statement.
    pub(crate) async fn check(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let applied = self.newest_applied(connection).await.map_err(|e| error::read(self, e))?;
        if applied > newest() { Err(self.too_new(applied)) } else { Ok(()) }
    }

    async fn newest_applied(&self, connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
        let there = sqlx::query("SELECT to_regclass($1) IS NOT NULL").bind(self.migrations_table());
        if !there.fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
            return Ok(0);
        }
        let newest = format!("SELECT coalesce(max(version), 0) FROM {}", self.migrations_table());
        sqlx::query(AssertSqlSafe(newest)).fetch_one(connection).await?.try_get(0)
    }

    fn too_new(&self, version: i64) -> Error {
        Error::setup(format!(
            "schema `{}` is newer than this library: migration {version} was run on it, which this release of \
             es-postgres does not know. Use the release that did, or a newer one",
            self.0
        ))
    }

    /// See `reanchor` in the migrations.
    pub(crate) async fn reanchor(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let query = sqlx::query(in_schema("SELECT {schema}.reanchor()", self));
        query.execute(connection).await.map(drop).map_err(|e| error::read(self, e))
    }
}

/// The number of the last migration that this library has.
fn newest() -> i64 {
    MIGRATIONS.iter().map(|&(number, ..)| number).max().unwrap_or(0)
}
