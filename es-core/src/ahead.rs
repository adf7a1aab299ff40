//! States that are ahead of the store: what a command leads to whose append is still under way.
//!
//! The next command of the stream is decided upon such a state, and its append goes [behind](crate::Append::behind) the very event that
//! the state rests on. If that event is not stored after all, neither is the append, so nothing that is stored was decided upon what
//! never was. What stores nothing, a rejection for example, waits until the event is stored, and then asks the store as well.

use std::any::Any;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use crate::stream::Version;

/// The newest state of a stream, with the append that leads to it.
pub(crate) struct Ahead {
    baseline: Arc<dyn Any + Send + Sync>,
    pub(crate) outlook: Outlook,
    pub(crate) chain: Arc<Chain>,
}

/// Appends of which each goes behind the one before.
#[derive(Default)]
pub(crate) struct Chain {
    /// One of them failed, and with it all behind it.
    is_broken: AtomicBool,
    /// The highest version up to which the state is kept at hand.
    kept: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    UnderWay,
    Stored,
    Failed,
}

/// What becomes of an append, for those who rest on it.
#[derive(Clone)]
pub(crate) struct Outlook(watch::Receiver<Fate>);

/// That others will be told what becomes of an append. Where it is dropped, nobody knows: they find out by themselves.
pub(crate) struct Promise {
    fate: watch::Sender<Fate>,
    chain: Arc<Chain>,
}

impl Ahead {
    pub(crate) fn new(baseline: Arc<dyn Any + Send + Sync>, chain: Arc<Chain>) -> (Self, Promise) {
        let (fate, outlook) = watch::channel(Fate::UnderWay);
        let promise = Promise { fate, chain: Arc::clone(&chain) };
        (Self { baseline, outlook: Outlook(outlook), chain }, promise)
    }

    /// The state, if it is of that type, and nothing is known against it.
    pub(crate) fn baseline<B: Any + Send + Sync>(&self) -> Option<Arc<B>> {
        if self.chain.is_broken.load(Ordering::Acquire) || self.outlook.is_lost() {
            return None;
        }
        Arc::clone(&self.baseline).downcast().ok()
    }
}

impl Chain {
    /// Whether the state at a version is newer than the one that is kept, which it is from now on.
    pub(crate) fn keeps(&self, version: Version) -> bool {
        self.kept.fetch_max(version.0, Ordering::AcqRel) < version.0
    }
}

impl Outlook {
    pub(crate) fn is_stored(&self) -> bool {
        *self.0.borrow() == Fate::Stored
    }

    /// Whether the append failed, or nobody will ever tell.
    fn is_lost(&self) -> bool {
        match *self.0.borrow() {
            Fate::UnderWay => self.0.has_changed().is_err(),
            Fate::Stored => false,
            Fate::Failed => true,
        }
    }

    /// Waits until the append is not under way any more, and tells whether it is known to be stored.
    pub(crate) async fn settled(&mut self) -> bool {
        self.0.wait_for(|fate| *fate != Fate::UnderWay).await.is_ok_and(|fate| *fate == Fate::Stored)
    }

    /// Ends when it is certain that the append was not stored, and never otherwise.
    pub(crate) async fn failed(&mut self) {
        if self.0.wait_for(|fate| *fate == Fate::Failed).await.is_err() {
            pending().await
        }
    }
}

impl Promise {
    pub(crate) fn stored(self) {
        self.fate.send_replace(Fate::Stored);
    }

    /// The append was not stored, and will not be.
    pub(crate) fn failed(self) {
        self.chain.is_broken.store(true, Ordering::Release);
        self.fate.send_replace(Fate::Failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead() -> (Ahead, Promise) {
        Ahead::new(Arc::new(7_u32), Arc::default())
    }

    #[tokio::test]
    async fn a_state_is_good_until_its_append_is_known_to_have_failed_or_nobody_tells() {
        let (ahead, promise) = self::ahead();
        assert_eq!(ahead.baseline::<u32>().as_deref(), Some(&7));
        assert!(ahead.baseline::<u64>().is_none(), "another type");
        promise.stored();
        assert_eq!(ahead.baseline::<u32>().as_deref(), Some(&7));
        assert!(ahead.outlook.clone().settled().await);

        let (ahead, promise) = self::ahead();
        promise.failed();
        assert!(ahead.baseline::<u32>().is_none());
        assert!(!ahead.outlook.clone().settled().await);
        ahead.outlook.clone().failed().await;

        let (ahead, promise) = self::ahead();
        drop(promise);
        assert!(ahead.baseline::<u32>().is_none());
        assert!(!ahead.outlook.clone().settled().await);
    }

    #[test]
    fn where_one_fails_nothing_behind_it_is_good() {
        let chain = Arc::default();
        let (_, first) = Ahead::new(Arc::new(1), Arc::clone(&chain));
        let (second, _promise) = Ahead::new(Arc::new(2), chain);
        assert!(second.baseline::<i32>().is_some());
        first.failed();
        assert!(second.baseline::<i32>().is_none());
    }
}
