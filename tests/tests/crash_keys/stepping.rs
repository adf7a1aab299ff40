//! A store that says aloud what it has just done, so that somebody can kill the process there.

use es_core::{
    Append, Appended, Error, EventStore, Fold, IdempotencyKey, KeyUse, LogPage, Position, ReadLog, ReadStream,
    Snapshot, StreamId, Visit,
};
use es_postgres::PgStore;

/// What it says before the step's name.
pub const STEP: &str = "<step> ";

/// The steps of a command, in order; and the last, which the process itself says when the command is answered.
pub const STEPS: [&str; 5] = ["loaded", "looked", "appending", "appended", "answered"];

pub struct Stepping(pub PgStore);

pub fn say(step: usize) {
    println!("{STEP}{}", STEPS[step]);
}

impl EventStore for Stepping {
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        say(2);
        let appended = self.0.append(append).await;
        if appended.is_ok() {
            say(3);
        }
        appended
    }

    async fn find_key(&self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Error> {
        let found = self.0.find_key(key).await;
        say(1);
        found
    }

    async fn fold_stream(&self, stream: &StreamId, state: Option<u32>, fold: &mut dyn Fold) -> Result<(), Error> {
        let folded = self.0.fold_stream(stream, state, fold).await;
        say(0);
        folded
    }

    async fn read_stream(&self, read: ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.0.read_stream(read, visit).await
    }

    async fn read_log(&self, read: ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        self.0.read_log(read, visit).await
    }

    async fn log_end(&self) -> Result<Position, Error> {
        self.0.log_end().await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), Error> {
        self.0.save_snapshot(snapshot).await
    }

    fn offer_snapshot(&self, snapshot: Snapshot) {
        self.0.offer_snapshot(snapshot);
    }

    async fn delete_snapshots(&self, stream: &StreamId) -> Result<(), Error> {
        self.0.delete_snapshots(stream).await
    }
}
