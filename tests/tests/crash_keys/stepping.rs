//! A store that says aloud what it has just done, and stays there if it is to be killed there.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use es_core::{
    Append, Appended, Bookmark, Error, EventId, EventStore, Fold, IdempotencyKey, KeyUse, LogPage, Position,
    ReadConversation, ReadLog, ReadStream, Snapshot, StreamId, Visit,
};
use es_postgres::PgStore;

/// What it says before the step's name.
pub const STEP: &str = "<step> ";

/// The steps of a command, in order; and the last, which the process itself says when the command is answered.
pub const STEPS: [&str; 5] = ["loaded", "looked", "appending", "appended", "answered"];

pub struct Stepping {
    pub store: PgStore,
    /// The order that is being executed.
    pub order: AtomicU64,
    /// The order and the step at which to stay.
    pub hold: Option<(u64, usize)>,
}

impl Stepping {
    pub async fn say(&self, step: usize) {
        println!("{STEP}{}", STEPS[step]);
        if self.hold == Some((self.order.load(SeqCst), step)) {
            std::future::pending().await
        }
    }
}

impl EventStore for Stepping {
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.say(2).await;
        let appended = self.store.append(append).await;
        if appended.is_ok() {
            self.say(3).await;
        }
        appended
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        let found = self.store.find_key(key).await;
        self.say(1).await;
        found
    }

    async fn fold_stream(&self, stream: &StreamId, state: Option<u32>, fold: &mut dyn Fold) -> Result<(), Error> {
        let folded = self.store.fold_stream(stream, state, fold).await;
        self.say(0).await;
        folded
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.store.read_stream(read, visit).await
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        self.store.read_log(read, visit).await
    }

    async fn read_conversation(
        &self,
        read: ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        self.store.read_conversation(read, visit).await
    }

    async fn find_event(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.store.find_event(id, visit).await
    }

    async fn log_end(&self) -> Result<Position, Error> {
        self.store.log_end().await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.store.save_snapshot(snapshot).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.store.offer_snapshot(snapshot);
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.store.delete_snapshots(stream).await
    }
}
