//! Tasks: what moves the checkpoint of the whole projection, back to the start or to another place.

use crate::error::{BoxError, Error};
use crate::read_model::{Lease, ReadModelStore, ReadModelTransaction, Task};
use crate::recorded::Position;
use crate::runner::cause::Cause;
use crate::runner::engine::{Engine, Halt};
use crate::runner::guard::guarded;
use crate::runner::observe;
use crate::runner::work::{Replay, Work};
use crate::runner::{Phase, StopReason};

impl<S: ReadModelStore, W: Work<S>> Engine<S, W> {
    /// Goes back, at once or not at all.
    pub(super) async fn do_task(&mut self, lease: &Lease, task: Task) -> Result<(), Halt> {
        observe::goes_back(task);
        self.publish(|progress| progress.phase = Phase::Working);
        let live_from = self.store.log_end().await?;
        let mut transaction = self.store.begin().await?;
        // From the start on, the first batch of each part tells by itself. At the end there is nothing to tell of.
        let begins = matches!(task, Task::Rewind(to) if to > Position::START && to < live_from);
        let told = if begins { lease.parts } else { 0 };
        let prepared = guarded(self.prepare(task, told, &mut transaction)).await;
        match prepared.map_err(BoxError::from).flatten() {
            Ok(()) => {}
            Err(error) if self.store.is_transient(&error) => return Err(Halt::Store(Error::unavailable(error))),
            Err(error) => {
                drop(transaction);
                return self.refuse(lease, task, &error).await;
            }
        }
        let reset = async {
            transaction.reset(lease, place_of(task), live_from).await?;
            Ok(transaction.commit().await?)
        };
        match reset.await {
            Err(Halt::Store(error)) if self.store.is_spoiled(&error) => {
                return self.refuse(lease, task, &error.into()).await;
            }
            done => done?,
        }
        self.wants_as_much_from_now_on().await?;
        tracing::info!(position = place_of(task).0, live_from = live_from.0, "went back");
        Ok(())
    }

    /// What it wants to see more than before was not kept while it was not known whether it would go back. Whoever stops in between is
    /// asked to go back once more, which is no harm.
    async fn wants_as_much_from_now_on(&self) -> Result<(), Error> {
        match self.store.taken_in(&self.id).await? {
            Some(known) if known.filter != self.filter => self.store.take_up(&self.id, &self.filter).await,
            _ => Ok(()),
        }
    }

    /// Tells `told` times that history begins: once for each part.
    async fn prepare(&self, task: Task, told: u16, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        match task {
            Task::Rebuild => self.work.clear(&self.id, transaction).await?,
            Task::Rewind(to) => self.work.rewind(to, transaction).await?,
        }
        for _ in 0..told {
            self.work.replay(Replay::Begins, transaction).await?;
        }
        Ok(())
    }

    /// The task is taken as done, so that the projection goes on as it was when it is started again.
    async fn refuse(&self, lease: &Lease, task: Task, error: &BoxError) -> Result<(), Halt> {
        let Cause { class, error } = Cause::of(&self.store, error);
        let reason = match task {
            Task::Rebuild => StopReason::NotRebuilt { class, error },
            Task::Rewind(_) => StopReason::NotRewound { class, error },
        };
        // Told before the task is gone, so that nobody who waits for it takes it for done.
        self.publish(|progress| progress.phase = Phase::Stopped(reason.clone()));
        let mut transaction = self.store.begin().await?;
        transaction.dismiss(lease).await?;
        transaction.commit().await?;
        Err(Halt::Stop(reason))
    }
}

fn place_of(task: Task) -> Position {
    match task {
        Task::Rebuild => Position::START,
        Task::Rewind(to) => to,
    }
}
