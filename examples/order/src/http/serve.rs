//! The service at work: requests, and the runner behind them.
//!
//! Shows: an end in good order. First no new connection is taken, then the requests under way are answered, then the runner lets go of
//! what it holds. Whatever was answered is stored; whatever is still to follow from it, the next start does.

use std::future::{Future, IntoFuture};
use std::io;
use std::time::Duration;

use es_core::{ReadModelStore, StartError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::router;
use crate::service::runner;

/// How long requests under way may take to end, once the service is asked to.
pub const GRACE: Duration = Duration::from_secs(10);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    #[error("what follows from events cannot be started")]
    Start(#[from] StartError),
    #[error("requests cannot be served")]
    Serve(#[from] io::Error),
}

/// Serves requests until `shutdown` resolves, and for at most [`GRACE`] longer those that are under way.
pub async fn serve<S: ReadModelStore>(
    listener: TcpListener,
    store: S,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let running = runner(&store).start().await?;
    let (asked, is_asked) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        // Nobody listens any more only if serving has failed by then.
        let _ = asked.send(());
    };
    let serving = axum::serve(listener, router(store)).with_graceful_shutdown(shutdown).into_future();
    let too_late = async {
        if is_asked.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(GRACE).await;
    };
    let served = tokio::select! {
        served = serving => served,
        // Somebody has sent half of a request, and does not go on.
        () = too_late => Ok(()),
    };
    running.stop().await;
    Ok(served?)
}
