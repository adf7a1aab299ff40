//! The server that is measured on: one of our own with durable settings, or the one that was named.

use std::sync::Mutex;

use es_test_support::Server;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::Result;

const NAMED_BY: &str = "BENCH_DATABASE_URL";

pub(crate) struct Place {
    url: String,
    own: Option<Server>,
    made: Mutex<Vec<String>>,
}

impl Place {
    pub(crate) async fn find() -> Result<Self> {
        let made = Mutex::default();
        if let Ok(url) = std::env::var(NAMED_BY) {
            return Ok(Self { url, own: None, made });
        }
        let server = Server::durable().await;
        Ok(Self { url: server.url("postgres"), own: Some(server), made })
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    /// Makes an empty database, and tells where it is.
    pub(crate) async fn database(&self) -> Result<String> {
        let name = format!("peers_{}", Uuid::now_v7().simple());
        self.execute(format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        let url = with_database(&self.url, &name);
        self.made.lock().map_err(|_| "a thread panicked")?.push(name);
        Ok(url)
    }

    /// Writes out what is pending, so that nobody pays for what the one before him left. A server that was named may refuse.
    pub(crate) async fn settle(&self) -> Result<()> {
        if self.own.is_some() {
            self.execute("CHECKPOINT".to_owned()).await?;
        }
        Ok(())
    }

    /// Whether commits wait for the disk, as they do whenever something is measured. What is only being filled need not.
    pub(crate) async fn durable(&self, durable: bool) -> Result<()> {
        if self.own.is_none() {
            return Ok(());
        }
        let value = if durable { "on" } else { "off" };
        self.execute(format!("ALTER SYSTEM SET synchronous_commit = {value}")).await?;
        self.execute("SELECT pg_reload_conf()".to_owned()).await?;
        // All sessions are told at once; a new one shows that they were.
        loop {
            let shown = "SELECT current_setting('synchronous_commit')";
            let shown: String = sqlx::query_scalar(shown).fetch_one(&mut self.connect().await?).await?;
            if shown == value {
                return Ok(());
            }
        }
    }

    /// The first process of a server of our own.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        let data = self.own.as_ref()?.data_dir()?;
        std::fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Leaves a server that was named as it was found.
    pub(crate) async fn leave(&self) -> Result<()> {
        if self.own.is_none() {
            let made = std::mem::take(&mut *self.made.lock().map_err(|_| "a thread panicked")?);
            for name in made {
                self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
            }
        }
        Ok(())
    }

    async fn execute(&self, statement: String) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connect().await?).await?;
        Ok(())
    }
}

fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, None), |(address, rest)| (address, Some(rest)));
    let host = address.find("://").map_or(0, |at| at + 3);
    let server = address[host..].find('/').map_or(address, |at| &address[..host + at]);
    parameters.map_or_else(|| format!("{server}/{name}"), |rest| format!("{server}/{name}?{rest}"))
}
