//! Transactions of a projection: opened, and closed with the checkpoint. The beginning and the end of history belong to them.

use crate::error::{BoxError, Error};
use crate::read_model::{ReadModelStore, ReadModelTransaction};
use crate::recorded::Position;
use crate::runner::StopReason;
use crate::runner::cause::Cause;
use crate::runner::engine::{Engine, Halt};
use crate::runner::guard::guarded;
use crate::runner::observe;
use crate::runner::owned::Owned;
use crate::runner::work::{Replay, Work};

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// Begins a transaction. The one that moves the checkpoint away from the start begins with the beginning of history, if there
    /// is any.
    pub(super) async fn open(&self, owned: &Owned) -> Result<S::Transaction, Halt> {
        let mut transaction = self.store.begin().await?;
        if owned.begins_history() {
            self.signal(Replay::Begins, &mut transaction).await?;
        }
        Ok(transaction)
    }

    /// Moves the checkpoint to `to`, and commits. The one that moves it past all history ends with the end of history.
    pub(super) async fn close(
        &self,
        owned: &mut Owned,
        to: Position,
        events: u64,
        mut transaction: S::Transaction,
    ) -> Result<(), Halt> {
        let live_from = owned.lease.live_from;
        let (begins, ends) = (owned.begins_history(), owned.written < live_from && to >= live_from);
        if ends {
            self.signal(Replay::Ends, &mut transaction).await?;
        }
        transaction.advance(&owned.lease, to, events).await?;
        transaction.commit().await?;
        observe::replays(begins, ends, live_from);
        self.reach(owned, to, events);
        owned.is_written();
        Ok(())
    }

    async fn signal(&self, signal: Replay, transaction: &mut S::Transaction) -> Result<(), Halt> {
        let told = guarded(self.work.replay(signal, transaction)).await;
        match told.map_err(BoxError::from).flatten() {
            Ok(()) => Ok(()),
            Err(error) if self.store.is_transient(&error) => Err(Halt::Store(Error::unavailable(error))),
            Err(error) => {
                let Cause { class, error } = Cause::of(&self.store, &error);
                Err(Halt::Stop(StopReason::Replay { class, error }))
            }
        }
    }
}
