//! What the driver says, as what a caller can do about it.

use es_core::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::schema::Schema;

/// What a statement can fail with.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The driver failed.
    Driver(sqlx::Error),
    /// Something else did: what the caller gave, or the caller's own code.
    Other(Error),
}

impl Failure {
    /// As the caller shall see it, provided that nothing was stored, or that a repeat is safe.
    pub(crate) fn into_error(self, schema: &Schema) -> Error {
        match self {
            Self::Driver(error) => read(schema, error),
            Self::Other(error) => error,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// What the functions of the schema raise when the events were restored from another cluster.
const NOT_AT_HOME: &str = "ES001";

/// A failure of a statement that stored nothing, or that is safe to repeat.
pub(crate) fn read(schema: &Schema, error: sqlx::Error) -> Error {
    let Some(code) = code(&error) else { return undocumented(error) };
    match code.as_str() {
        "42P01" | "3F000" | "42883" | "42703" => setup(
            format!(
                "schema `{0}` is not there or not complete: call `store.migrate()` once at the start of the program, or \
                 name the right schema",
                schema.name()
            ),
            error,
        ),
        "42501" => setup(
            format!(
                "the database role may not do this: as the owner of schema `{0}`, run `SELECT {0}.grant_to('the_role')`",
                schema.name()
            ),
            error,
        ),
        NOT_AT_HOME => not_at_home(schema, Some(error)),
        code if is_transient(code) => Error::unavailable(error),
        _ => Error::store(error),
    }
}

/// A failure to open a connection.
pub(crate) fn connect(target: &str, error: sqlx::Error) -> Error {
    let code = code(&error);
    match (code.as_deref(), &error) {
        (Some("28P01" | "28000"), _) => setup(
            format!("{target} refused the user or the password: check the URL, and the server's pg_hba.conf"),
            error,
        ),
        (Some("3D000"), _) => setup(
            format!("the server has no such database as {target}: make it with `createdb`, or correct the URL"),
            error,
        ),
        (Some(code), _) if is_transient(code) => Error::unavailable(error),
        (None, sqlx::Error::Configuration(_)) => setup(format!("the options for {target} are not valid"), error),
        (None, sqlx::Error::Tls(_)) => setup(
            format!(
                "no encrypted connection to {target}: turn on the feature `tls-rustls` of es-postgres, and check the certificates"
            ),
            error,
        ),
        (None, sqlx::Error::Io(_)) => Error::unavailable(error),
        _ => Error::store(error),
    }
}

/// At the start of a program a server that does not answer is rather a wrong URL than bad luck.
pub(crate) fn first_connect(target: &str, error: Error) -> Error {
    match error {
        Error::Unavailable { source } if source.downcast_ref::<sqlx::Error>().is_some_and(is_io) => Error::Setup {
            message: format!("no PostgreSQL server answers at {target}: start one, or correct the URL"),
            source: Some(source),
        },
        error => error,
    }
}

/// An application's role may append, and the time is the database's to say.
pub(crate) fn may_not_give_times(error: sqlx::Error) -> Error {
    let message = "the database role may not say when events were recorded: import them as the owner of the schema, or \
                   without their times";
    setup(message.to_owned(), error)
}

pub(crate) fn not_at_home(schema: &Schema, source: Option<sqlx::Error>) -> Error {
    Error::Setup {
        message: format!(
            "the events of schema `{0}` were restored from another cluster, where transactions were counted differently: \
             while nothing is appended, call `PgStoreOptions::reanchor` or, as the owner of the schema, \
             `SELECT {0}.reanchor()` once, and go on",
            schema.name()
        ),
        source: source.map(Into::into),
    }
}

/// Whether the connection is gone, and with it the answer: what was sent may or may not have been done. A backend that ends
/// says so with severity FATAL, and may have committed before.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => database.try_downcast_ref().is_some_and(is_fatal),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        _ => false,
    }
}

fn is_fatal(error: &PgDatabaseError) -> bool {
    matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)
}

fn is_io(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_))
}

/// Whether a cause of an error is the database's, and will pass. Errors of a driver may be wrapped in others, which may show
/// themselves or only their own causes.
pub(crate) fn will_pass(cause: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<Error>() {
        return error.is_transient();
    }
    if let Some(error) = cause.downcast_ref::<sqlx::Error>() {
        let code = code(error);
        return !code.as_deref().is_some_and(is_too_slow)
            && (is_lost(error) || code.is_some_and(|code| is_transient(&code)));
    }
    database_error(cause).is_some_and(|e| !is_too_slow(e.code()) && (is_transient(e.code()) || is_fatal(e)))
}

/// Whether a cause of an error is that a statement or its transaction took too long.
pub(crate) fn took_too_long(cause: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<sqlx::Error>() {
        return code(error).as_deref().is_some_and(is_too_slow);
    }
    database_error(cause).is_some_and(|error| is_too_slow(error.code()))
}

fn database_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a PgDatabaseError> {
    let boxed = cause.downcast_ref::<Box<dyn DatabaseError>>();
    boxed.and_then(|error| error.try_downcast_ref()).or_else(|| cause.downcast_ref())
}

/// A statement that was cancelled because it took too long, or a transaction in which nothing was said for too long. In a
/// projector's own code it would not be faster the next time, unless the batch is smaller, and a single event has a policy.
fn is_too_slow(code: &str) -> bool {
    matches!(code, "57014" | "25P03")
}

/// Without a word of the server itself.
fn undocumented(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Io(_) => Error::unavailable(error),
        error => Error::store(error),
    }
}

/// Serialization failure, deadlock, lock timeout, cancelled statement, too many connections, a server that starts or stops, a
/// session or transaction that was ended because it was idle, a standby that was asked to write, a broken connection.
fn is_transient(code: &str) -> bool {
    matches!(
        code,
        "40001" | "40P01" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25006" | "25P03"
    ) || code.starts_with("08")
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn setup(message: String, source: sqlx::Error) -> Error {
    Error::Setup { message, source: Some(source.into()) }
}

/// Whether the schema, or something in it, is not there.
pub(crate) fn is_not_migrated(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("42P01" | "3F000" | "42883" | "42703"))
}

/// Whether the transaction does nothing more, because a statement before this one has failed.
pub(crate) fn has_failed_before(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some("25P02")
}

/// Whether two transactions waited for each other, and this one gave way.
pub(crate) fn is_deadlock(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some("40P01")
}

/// Whether the role lacks a right.
pub(crate) fn is_forbidden(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some("42501")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test has nobody to hand an error to")]
mod tests {
    use super::*;
    use es_test_support::Database;
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    /// What callers are to do with an error of the server.
    #[derive(Debug, PartialEq)]
    enum Advice {
        TryAgain,
        SetUp,
        LookInto,
    }

    fn advice(error: &Error) -> Advice {
        match error {
            Error::Unavailable { .. } => Advice::TryAgain,
            Error::Setup { .. } => Advice::SetUp,
            _ => Advice::LookInto,
        }
    }

    #[tokio::test]
    async fn every_kind_of_server_error_is_classified() {
        let database = Database::create().await;
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        for (code, expected) in [
            ("40001", Advice::TryAgain), // serialization failure
            ("40P01", Advice::TryAgain), // deadlock
            ("55P03", Advice::TryAgain), // lock timeout
            ("57014", Advice::TryAgain), // cancelled
            ("57P01", Advice::TryAgain), // shutting down
            ("57P03", Advice::TryAgain), // starting up
            ("53300", Advice::TryAgain), // too many connections
            ("08006", Advice::TryAgain), // connection failure
            ("25006", Advice::TryAgain), // a standby, after a fail-over
            ("25P03", Advice::TryAgain), // a transaction that was idle for too long
            ("42P01", Advice::SetUp),    // no such table
            ("3F000", Advice::SetUp),    // no such schema
            ("42501", Advice::SetUp),    // no right
            ("ES001", Advice::SetUp),    // not at home
            ("23505", Advice::LookInto), // another unique key than the stream's
            ("23514", Advice::LookInto), // a check
            ("53100", Advice::LookInto), // disk full
            ("57P04", Advice::LookInto), // the database was dropped
            ("25P02", Advice::LookInto), // the caller's transaction has failed before
        ] {
            let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$");
            let raised = sqlx::raw_sql(AssertSqlSafe(raise)).execute(&mut connection).await.unwrap_err();
            assert!(!is_lost(&raised));
            let error = read(&Schema::new("es").unwrap(), raised);
            assert_eq!(advice(&error), expected, "{code}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_server_process_that_ends_is_a_lost_connection() {
        let database = Database::create().await;
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let ended = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(&mut connection).await;
        assert!(is_lost(&ended.unwrap_err()));
        let after = sqlx::query("SELECT 1").execute(&mut connection).await;
        assert!(is_lost(&after.unwrap_err()));
    }
}
