//! Tells whoever waits for events that some were stored: by this process, and by others, where that is asked for.
//!
//! A wake-up is a hint and never the truth. It may be lost, with a connection or with a process, and may come when there is
//! nothing new; projections look by themselves, too, and find every event. So nothing here returns an error to anybody.
//!
//! Across processes it goes by `NOTIFY`, and never within an append: a transaction that notifies holds a lock of the whole
//! server while it commits, and appends would queue for it. A task of its own ([`announcer`]) ticks after appends, many at
//! a time, and notifies once for each tick. Another one ([`listener`]) waits for such words of others.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::connections::Connections;
use announcer::Announcer;
use link::Link;
use listener::Listener;

mod announcer;
mod link;
mod listener;

pub(crate) use announcer::ANNOUNCE;
pub(crate) use listener::CHANNEL;

/// Whose appends wake the projections of a process at once. The others' are found when a projection looks by itself, within 250
/// milliseconds. See [`PgStoreOptions::wake_ups`](crate::PgStoreOptions::wake_ups).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WakeUps {
    /// Those of the same process only. The default.
    #[default]
    WithinProcess,
    /// Also those of other processes that have chosen this, too, with a store in the same schema of the same database.
    AcrossProcesses,
}

/// Shared by all handles of a store.
#[derive(Debug)]
pub(crate) struct Wakeup {
    waiting: Waiting,
    across: Option<Across>,
}

#[derive(Debug)]
struct Across {
    announcer: Announcer,
    listener: Listener,
}

/// Whoever waits in this process.
#[derive(Clone, Debug)]
pub(crate) struct Waiting(watch::Sender<()>);

impl Wakeup {
    pub(crate) fn new(wake_ups: WakeUps, connections: &Connections) -> Self {
        let across = match wake_ups {
            WakeUps::WithinProcess => None,
            WakeUps::AcrossProcesses => {
                let link = Arc::new(Link::new(connections));
                Some(Across { announcer: Announcer::new(Arc::clone(&link)), listener: Listener::new(link) })
            }
        };
        Self { waiting: Waiting::new(), across }
    }

    /// Returns at once: others are told in the background.
    pub(crate) fn announce(&self) {
        self.waiting.wake();
        if let Some(across) = &self.across {
            across.announcer.ask();
        }
    }

    /// Resolves after the next announcement from now on, also if it comes before the first poll.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let next = self.waiting.next();
        if let Some(across) = &self.across {
            across.listener.listen(&self.waiting);
        }
        next
    }
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(crate) fn wake(&self) {
        self.0.send_replace(());
    }

    /// Resolves after the next wake from now on, also if it comes before the first poll.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut woken = self.0.subscribe();
        async move {
            if woken.changed().await.is_err() {
                // The store is gone, and with it whoever could wake anybody.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Nothing is left half done under these locks, so one that a panic poisoned is as good as any.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
