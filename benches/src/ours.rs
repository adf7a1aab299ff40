//! Our side, on any store: what an application would write.

use es_core::{EventStore, EventStoreExt, ExpectedVersion};

use crate::Result;
use crate::domain::{Account, AccountEvent, Deposit, Snapshotted};
use crate::ledger::{Ledger, Standing};

pub(crate) struct Ours<S>(pub(crate) S);

impl<S: EventStore> Ledger for Ours<S> {
    async fn append(&mut self, id: &str, events: Vec<AccountEvent>) -> Result<u64> {
        let appended = self.0.append_events::<Account>(id, ExpectedVersion::NoStream, events).await?;
        Ok(appended.version.0)
    }

    async fn deposit(&mut self, id: &str, amount: u64) -> Result<Standing> {
        let outcome = self.0.execute(Deposit { id: id.to_owned(), amount }).await?;
        Ok(Standing::new(outcome.version.0, &outcome.state.0))
    }

    async fn load(&mut self, id: &str) -> Result<Standing> {
        let loaded = self.0.load::<Account>(id).await?;
        Ok(Standing::new(loaded.version.0, &loaded.state.0))
    }
}

/// A snapshot is this many events behind its stream, or half of the stream: as one that is taken every 100 events is, on
/// average.
pub(crate) const BEHIND: usize = 50;

/// The same with a snapshot of each account that is loaded.
pub(crate) struct OursSnapshotted<S>(pub(crate) S);

impl<S: EventStore> Ledger for OursSnapshotted<S> {
    async fn append(&mut self, id: &str, events: Vec<AccountEvent>) -> Result<u64> {
        let appended = self.0.append_events::<Snapshotted>(id, ExpectedVersion::NoStream, events).await?;
        Ok(appended.version.0)
    }

    async fn fill(&mut self, id: &str, mut events: Vec<AccountEvent>) -> Result<()> {
        let id = id.to_owned();
        let rest = events.split_off(events.len() - BEHIND.min(events.len() / 2));
        self.append(&id, events).await?;
        self.0.take_snapshot::<Snapshotted>(&id).await?;
        self.0.append_events::<Snapshotted>(&id, ExpectedVersion::Exists, rest).await?;
        Ok(())
    }

    async fn deposit(&mut self, _: &str, _: u64) -> Result<Standing> {
        Err("snapshots are measured on loads only".into())
    }

    async fn load(&mut self, id: &str) -> Result<Standing> {
        let loaded = self.0.load::<Snapshotted>(id).await?;
        Ok(Standing::new(loaded.version.0, &loaded.state.0))
    }
}
