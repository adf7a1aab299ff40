//! The service at work: requests, and the runner behind them.
//!
//! Shows: an end in good order, and in good time. First no new connection is taken, then the requests under way are answered, then the
//! runner lets go of what it holds. Each may take a while and no longer, also when the database does not answer. Whatever was answered is
//! stored; whatever is still to follow from it, the next start does.

use std::future::{Future, IntoFuture};
use std::io;
use std::time::Duration;

use es_core::{ReadModelStore, Runner, StartError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::router;

/// How long requests under way may take to end, once the service is asked to.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long what follows from events may take to end behind them: a batch is committed by then, or rolled back.
pub const RUNNER_GRACE: Duration = Duration::from_secs(5);

/// How long giving back what a batch held may take that was cut off. Whatever is not given back runs out by itself.
const RELEASE: Duration = Duration::from_secs(2);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    #[error("what follows from events cannot be started")]
    Start(#[from] StartError),
    #[error("requests cannot be served")]
    Serve(#[from] io::Error),
}

/// Serves requests until `shutdown` resolves, and for at most [`GRACE`] longer those that are under way. What the runner holds is
/// let go of within [`RUNNER_GRACE`] and two seconds. `/health` judges what the runner runs.
pub async fn serve<S: ReadModelStore>(
    listener: TcpListener,
    store: S,
    runner: Runner<S>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let running = runner.start().await?;
    let run_here = running.progress().into_iter().map(|(id, _)| id).collect();
    let (asked, is_asked) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        // Nobody listens any more only if serving has failed by then.
        let _ = asked.send(());
    };
    let serving = axum::serve(listener, router(store, run_here)).with_graceful_shutdown(shutdown).into_future();
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
    // Too late is no error: what was under way is rolled back, and done by the next start.
    let _ = tokio::time::timeout(RUNNER_GRACE + RELEASE, running.stop_within(RUNNER_GRACE)).await;
    Ok(served?)
}
