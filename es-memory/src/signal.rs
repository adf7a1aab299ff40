//! Signals to whoever waits: something has happened, look again.

use std::future::Future;

use tokio::sync::watch;

/// Counts how often it was given.
#[derive(Default)]
pub(crate) struct Signal(watch::Sender<u64>);

impl Signal {
    /// It costs next to nothing where nobody waits. Whoever begins to wait at the same moment looks behind it, and finds what happened
    /// before.
    pub(crate) fn give(&self) {
        if self.0.receiver_count() == 0 {
            return;
        }
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Resolves when it is given next, counted from the call: the receiver is made here, so that it remembers one that comes
    /// before it is waited for.
    pub(crate) fn given(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.0.subscribe();
        async move {
            // When the store is gone there is nothing to wait for.
            let _ = count.changed().await;
        }
    }
}
