//! Tells whoever waits for events that this process has stored some.

use std::future::Future;

use tokio::sync::watch;

/// Shared by all handles of a store.
#[derive(Debug)]
pub(crate) struct Wakeup(watch::Sender<()>);

impl Wakeup {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(crate) fn announce(&self) {
        self.0.send_replace(());
    }

    /// Resolves after the next announcement from now on, also if it comes before the first poll.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut announced = self.0.subscribe();
        async move {
            if announced.changed().await.is_err() {
                // The store is gone, and with it whoever could announce anything.
                std::future::pending::<()>().await;
            }
        }
    }
}
