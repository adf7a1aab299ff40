//! The database that is measured on: one of our own with durable settings, or the one that was named.

use es_test_support::{Database, Server};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::Result;

const NAMED_BY: &str = "BENCH_DATABASE_URL";

pub(crate) struct Place {
    url: String,
    /// What the names of our schemas begin with.
    prefix: String,
    own: Option<Database>,
}

impl Place {
    pub(crate) async fn find() -> Result<Self> {
        let prefix = format!("bench_{}", &Uuid::now_v7().simple().to_string()[24..]);
        match std::env::var(NAMED_BY) {
            Ok(url) => Ok(Self { url, prefix, own: None }),
            Err(_) => {
                let own = Database::create_on(&Server::durable().await).await;
                Ok(Self { url: own.url().to_owned(), prefix, own: Some(own) })
            }
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn schema(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    /// The first process of a server of our own.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        let data = self.own.as_ref()?.server().data_dir()?;
        std::fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Leaves a database that was named as it was found.
    pub(crate) async fn leave(&self) -> Result<()> {
        if self.is_own() {
            return Ok(());
        }
        let mut connection = self.connect().await?;
        let ours = "SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname, $1)";
        let schemas: Vec<(String,)> = sqlx::query_as(ours).bind(&self.prefix).fetch_all(&mut connection).await?;
        for (schema,) in schemas {
            let drop = format!("DROP SCHEMA \"{schema}\" CASCADE");
            sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await?;
        }
        Ok(())
    }
}
