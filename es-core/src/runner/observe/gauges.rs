//! The observer: asks the store now and then how the projections of a runner are doing, and sets their gauges.
//!
//! It runs in every process, owner or not. So when the owner dies, the others still say that its projections do not move.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Error;
use crate::read_model::{ProjectionId, ProjectionStatus};
use crate::runner::guard::{chain, guarded};
use crate::runner::observe::Meter;

/// Observes until the runner stops: one question every so often, for all its projections.
pub(super) async fn observe<F>(
    ask: impl Fn() -> F,
    ids: Vec<ProjectionId>,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) where
    F: Future<Output = Result<Vec<ProjectionStatus>, Error>>,
{
    tokio::select! {
        // The sender is gone when the handle was dropped, which asks to stop as well.
        _ = stop.wait_for(|stop| *stop) => {}
        () = ask_again_and_again(ask, &ids, every) => {}
    }
}

async fn ask_again_and_again<F>(ask: impl Fn() -> F, ids: &[ProjectionId], every: Duration)
where
    F: Future<Output = Result<Vec<ProjectionStatus>, Error>>,
{
    let meters: Vec<_> = ids.iter().map(|id| (id, Meter::new(id))).collect();
    loop {
        match guarded(ask()).await {
            Ok(Ok(all)) => set(&meters, &all),
            Ok(Err(error)) => miss(&meters, &chain(&error)),
            Err(panicked) => miss(&meters, &panicked.to_string()),
        }
        tokio::time::sleep(every).await;
    }
}

fn set(meters: &[(&ProjectionId, Meter)], all: &[ProjectionStatus]) {
    for (id, meter) in meters {
        if let Some(status) = all.iter().find(|status| status.id == **id) {
            meter.status(status);
        }
    }
}

/// The gauges keep their values, and a counter says that they are old.
fn miss(meters: &[(&ProjectionId, Meter)], error: &str) {
    for (_, meter) in meters {
        meter.unobserved();
    }
    tracing::warn!(error, "the store could not be asked how its projections are doing");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_asks_on_after_trouble_and_ends_with_the_runner() {
        let (asked, tenth) = (AtomicU32::new(0), Notify::new());
        let ask = || async {
            match asked.fetch_add(1, Ordering::SeqCst) {
                1 => return Err(Error::unavailable("the connection was lost")),
                2 => return Err(Error::store("the disk is gone")),
                3 => panic!("there is no store"),
                9 => tenth.notify_one(),
                _ => {}
            }
            Ok(Vec::new())
        };
        let (stop, stopped) = watch::channel(false);
        let id = ProjectionId::new("balance", 1).unwrap();
        let observed = observe(ask, vec![id], Duration::from_millis(1), stopped);
        let runs_on = async {
            tenth.notified().await;
            stop.send_replace(true);
        };
        tokio::join!(observed, runs_on);
        assert!(asked.load(Ordering::SeqCst) >= 10);
    }
}
