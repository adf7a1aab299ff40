//! All parts of one projection in this process: an engine for each, also when it is divided anew.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use crate::read_model::{FailureClass, ReadModelStore};
use crate::retry::pass;
use crate::runner::engine::{End, Engine, Post, STORE_TROUBLE};
use crate::runner::guard::chain;
use crate::runner::observe::{self, Meter};
use crate::runner::progress::Board;
use crate::runner::work::Work;
use crate::runner::{Launch, StopReason};
use crate::slices::Slices;

/// A division by another process, none of whose parts is worked on here, is noticed after this time at the latest.
const ROLL_CALL: Duration = Duration::from_secs(5);

pub(super) struct Crew<S, W> {
    launch: Launch<S>,
    work: Arc<W>,
    meter: Meter,
    divided: Arc<Notify>,
    yielded: Arc<Mutex<Option<Instant>>>,
    /// The parts that an engine is there for, by their first slices.
    manned: HashSet<u16>,
    engines: JoinSet<(u16, End)>,
}

impl<S: ReadModelStore, W: Work<S>> Crew<S, W> {
    pub(super) fn new(launch: Launch<S>, work: W) -> Self {
        let (work, divided) = (Arc::new(work), Arc::new(Notify::new()));
        let meter = Meter::new(&launch.id);
        let (yielded, manned, engines) = (Arc::default(), HashSet::new(), JoinSet::new());
        Self { launch, work, meter, divided, yielded, manned, engines }
    }

    pub(super) async fn run(mut self) {
        let board = Arc::clone(&self.launch.board);
        observe::started(&self.launch.id, self.launch.owner);
        let (dismiss, dismissed) = watch::channel(false);
        let reason = self.work(&dismissed).await;
        // One that stops takes the others along: the projection is not whole without it.
        dismiss.send_replace(true);
        while self.engines.join_next().await.is_some() {}
        observe::stopped(&self.launch.id, &reason, &self.meter);
        board.end(reason);
    }

    async fn work(&mut self, dismissed: &watch::Receiver<bool>) -> StopReason {
        loop {
            if let Err(reason) = self.man(dismissed).await {
                return reason;
            }
            let mut stop = self.launch.stop.clone();
            tokio::select! {
                // The sender is gone when the handle was dropped, which asks to stop as well.
                _ = stop.wait_for(|stop| *stop) => return StopReason::Asked,
                Some(ended) = self.engines.join_next() => match ended {
                    Ok((first, End::Gone)) => { self.manned.remove(&first); }
                    Ok((_, End::Stopped(reason))) => return reason,
                    // It was aborted together with its runtime.
                    Err(_) => return StopReason::Asked,
                },
                () = self.divided.notified() => {}
                () = tokio::time::sleep(ROLL_CALL) => {}
            }
        }
    }

    /// Sees to it that there is an engine for each part.
    async fn man(&mut self, dismissed: &watch::Receiver<bool>) -> Result<(), StopReason> {
        let parts = self.parts().await?;
        if parts.is_empty() {
            // There is always one, of whatever is registered.
            return Err(StopReason::Dropped);
        }
        for part in parts {
            if self.manned.insert(part.first()) {
                self.start(part, dismissed.clone());
            }
        }
        Ok(())
    }

    /// The parts there are, however long the store is out of reach.
    async fn parts(&self) -> Result<Vec<Slices>, StopReason> {
        let mut stop = self.launch.stop.clone();
        let mut troubles = 0_u32;
        loop {
            let error = match self.launch.store.parts(&self.launch.id).await {
                Ok(parts) => return Ok(parts),
                Err(error) if error.is_transient() => chain(&error),
                Err(error) => return Err(StopReason::Store { error: chain(&error) }),
            };
            troubles = troubles.saturating_add(1);
            let wait = STORE_TROUBLE.draw_wait(troubles);
            self.meter.failed(FailureClass::Store.as_str());
            observe::store_trouble_of(&self.launch.id, &error, troubles, wait);
            tokio::select! {
                () = pass(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return Err(StopReason::Asked),
            }
        }
    }

    fn start(&mut self, part: Slices, stop: watch::Receiver<bool>) {
        let Launch { store, id, filter, owner, settings, feed, board, .. } = &self.launch;
        let post = Post {
            store: store.clone(),
            work: Arc::clone(&self.work),
            filter: filter.clone(),
            id: id.clone(),
            settings: *settings,
            feed: Arc::clone(feed),
            owner: *owner,
            stop,
            divided: Arc::clone(&self.divided),
            yielded: Arc::clone(&self.yielded),
        };
        let first = part.first();
        let engine = Engine::new(post, Board::seat(board, first), part);
        let span = engine.span();
        self.engines.spawn(async move { (first, engine.run().await) }.instrument(span));
    }
}

/// One that is dropped on its way was aborted, by whoever stopped the runner or with its runtime.
impl<S, W> Drop for Crew<S, W> {
    fn drop(&mut self) {
        self.launch.board.end(StopReason::Asked);
    }
}
