//! What the background tasks know of the store. Not the store itself, which ends when its last handle is dropped.

use std::future::Future;
use std::time::Duration;

use es_core::BoxError;
use sqlx::SqlStr;
use sqlx::postgres::PgConnectOptions;
use tokio::time::timeout;
use uuid::Uuid;

use crate::connections::Connections;
use crate::sql::in_schema;
use crate::wakeup::{ANNOUNCE, CHANNEL};

/// The longest pause after the first failure in a row. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How to reach the server, and what to say there.
#[derive(Debug)]
pub(super) struct Link {
    server: PgConnectOptions,
    patience: Duration,
    pub(super) announce: SqlStr,
    pub(super) channel: SqlStr,
}

impl Link {
    pub(super) fn new(connections: &Connections) -> Self {
        Self {
            server: connections.server().clone(),
            patience: connections.acquire_timeout(),
            announce: in_schema(ANNOUNCE, connections.schema()),
            channel: in_schema(CHANNEL, connections.schema()),
        }
    }

    /// The server, for a connection that says in `pg_stat_activity` what it is for.
    pub(super) fn server(&self, role: &str) -> PgConnectOptions {
        let name = self.server.get_application_name().unwrap_or_default();
        self.server.clone().application_name(&format!("{name} {role}"))
    }

    /// How long to wait for an answer of the server's.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// A server that accepts and says nothing must not be waited for.
    pub(super) async fn answer<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, BoxError> {
        Ok(timeout(self.patience, asked).await??)
    }
}

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Troubles(u32);

impl Troubles {
    pub(super) fn are_over(&mut self) {
        self.0 = 0;
    }

    /// Waits a random part of a time that grows.
    pub(super) async fn wait_out(&mut self, error: BoxError, consequence: &str) {
        self.0 = self.0.saturating_add(1);
        self.tell(&*error, consequence);
        drop(error);
        tokio::time::sleep(self.pause()).await;
    }

    /// Warns only when it is more than a connection that broke, and not each time.
    fn tell(&self, error: &(dyn std::error::Error + 'static), consequence: &str) {
        if self.0 == 2 {
            tracing::warn!(error, "{consequence}: they are found by polling meanwhile");
        } else {
            tracing::debug!(error, failures = self.0, "{consequence}");
        }
    }

    fn pause(&self) -> Duration {
        let doubled = 2_u32.saturating_pow(self.0.saturating_sub(1));
        FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE).mul_f64(random_part())
    }
}

/// A number from 0 up to, but not including, 1.
fn random_part() -> f64 {
    let bits = Uuid::now_v7().as_u128() & u128::from(u32::MAX);
    f64::from(u32::try_from(bits).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}
