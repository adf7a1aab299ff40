//! The heartbeat: a lease is kept while it is worked under, and everybody is told how it goes.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use crate::read_model::{Lease, Pulse, ReadModelStore, Renewal};
use crate::recorded::Position;
use crate::runner::engine::{Engine, Halt};
use crate::runner::observe;
use crate::runner::work::Work;
use crate::runner::{Phase, Progress};

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// Keeps the lease until it is lost, and tells everybody how it goes.
    pub(super) fn beat(
        &self,
        lease: Lease,
        wanted: Arc<AtomicBool>,
    ) -> impl Future<Output = Result<Infallible, Halt>> + Send + use<S, W> {
        let (store, seat, length, every) =
            (self.store.clone(), self.seat.clone(), self.settings.lease, self.heartbeat());
        async move {
            let mut before = (Instant::now(), lease.position);
            loop {
                tokio::time::sleep(every).await;
                let pulse = pulse(&seat.progress(), &mut before);
                match store.renew(&lease, length, &pulse).await {
                    Ok(Renewal::Lost) => return Err(Halt::Claim),
                    Ok(renewal) => wanted.store(renewal == Renewal::Wanted, Ordering::Relaxed),
                    Err(error) if error.is_transient() => observe::not_renewed(&error),
                    Err(error) => return Err(Halt::Store(error)),
                }
            }
        }
    }
}

/// How many places were passed in a second since the last time, and what goes wrong.
fn pulse(progress: &Progress, before: &mut (Instant, Position)) -> Pulse {
    let (since, from) = std::mem::replace(before, (Instant::now(), progress.position));
    let passed = u128::from(progress.position.0.saturating_sub(from.0));
    let rate = passed * 1000 / since.elapsed().as_millis().max(1);
    let pulse = Pulse::new(u64::try_from(rate).unwrap_or(u64::MAX));
    match &progress.phase {
        Phase::Retrying { error, class, .. } => pulse.trouble(*class, error.clone()),
        _ => pulse,
    }
}
