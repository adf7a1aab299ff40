//! The shop over HTTP, as a client sees it: on a real socket, in memory and on PostgreSQL.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod served;

/// Each case once on either store.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(&mut crate::served::in_memory().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let database = es_test_support::Database::create().await;
                super::$case(&mut crate::served::on_postgres(&database).await).await;
            })*
        }
    };
}

mod orders;
mod nonsense;
mod conditions;
mod keys;
mod lists;
mod conversations;
mod health;
mod shutdown;
mod openapi;
