/// Projections that run. Dropping it stops them at their next turn; [`stop`](Self::stop) waits until they have.
///
/// # Example: look at how they are doing
///
/// ```
/// # use es_core::{Document, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Opened }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Balance;
/// # impl Document for Balance {
/// #     const NAME: &'static str = "balance";
/// #     type Event = AccountEvent;
/// #     fn key(_: &Recorded<AccountEvent>) -> impl IntoKeys {}
/// #     fn apply(&mut self, _: &Recorded<AccountEvent>) {}
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use es_core::{Phase, ReadModelStore, Runner, StopReason};
///
/// let store = es_memory::MemoryStore::new();
/// let running = Runner::new(store.clone()).document::<Balance>().start().await?;
/// running.catch_up().await?;
/// assert_eq!(store.projections().await?[0].lag_events, 0);
///
/// let ended = running.stop().await;
/// assert_eq!(ended[0].1, StopReason::Asked);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it stops the projections"]
pub struct Running<S> {
    store: S,
    stop: watch::Sender<bool>,
    projections: Vec<Started>,
}

struct Started {
    id: ProjectionId,
    progress: watch::Receiver<Progress>,
    held: watch::Receiver<Option<Lease>>,
    task: JoinHandle<()>,
}

/// Why a wait for projections came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// A projection has stopped before it got there.
    #[error("projection `{id}` has stopped: {reason}")]
    Stopped {
        /// Which one.
        id: ProjectionId,
        /// Why.
        reason: StopReason,
    },
    /// Time was up.
    #[error("projection `{id}` has come to position {reached} of {wanted} when the time was up")]
    TimedOut {
        /// Which one.
        id: ProjectionId,
        /// How far it has come.
        reached: Position,
        /// How far it should have come.
        wanted: Position,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl<S: ReadModelStore> Running<S> {
    /// How long a wait lasts at the most, by default.
    pub const DEFAULT_WAIT: Duration = Duration::from_secs(10);

    /// Waits until all projections have taken in the events of a command, for at most [`DEFAULT_WAIT`](Self::DEFAULT_WAIT).
    ///
    /// # Errors
    /// [`WaitError`] when one has stopped, or the time is up.
    pub async fn wait_for<A: Aggregate>(&self, outcome: &Outcome<A>) -> Result<(), WaitError> {
        if outcome.events.is_empty() { Ok(()) } else { self.catch_up().await }
    }

    /// Waits until all projections have taken in everything that was stored before the call, for at most
    /// [`DEFAULT_WAIT`](Self::DEFAULT_WAIT).
    ///
    /// # Errors
    /// As for [`wait_for`](Self::wait_for).
    pub async fn catch_up(&self) -> Result<(), WaitError> {
        self.catch_up_within(Self::DEFAULT_WAIT).await
    }

    /// Like [`catch_up`](Self::catch_up), for at most `deadline`.
    ///
    /// # Errors
    /// As for [`wait_for`](Self::wait_for).
    pub async fn catch_up_within(&self, deadline: Duration) -> Result<(), WaitError> {
        let until = tokio::time::Instant::now() + deadline;
        let wanted = self.store.log_end().await?;
        for projection in &self.projections {
            match tokio::time::timeout_at(until, self.reach(projection, wanted)).await {
                Ok(reached) => reached?,
                Err(_) => {
                    let (id, reached) = (projection.id.clone(), projection.progress.borrow().position);
                    return Err(WaitError::TimedOut { id, reached, wanted });
                }
            }
        }
        Ok(())
    }

    /// How far the projections have come, and what they do in this process. For what they do in all processes, ask
    /// [`projections`](ReadModelStore::projections) of the store.
    pub fn progress(&self) -> Vec<(ProjectionId, Progress)> {
        self.projections.iter().map(|p| (p.id.clone(), p.progress.borrow().clone())).collect()
    }

    /// Resolves when one of the projections has stopped, with the reason.
    pub async fn stopped(&self) -> (ProjectionId, StopReason) {
        let stopped = self.projections.iter().map(|p| Box::pin(p.stopped())).collect::<Vec<_>>();
        let mut stopped = stopped;
        std::future::poll_fn(|cx| {
            let ready = stopped.iter_mut().find_map(|one| match one.as_mut().poll(cx) {
                std::task::Poll::Ready(reason) => Some(reason),
                std::task::Poll::Pending => None,
            });
            ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }

    /// Stops them all after the batch they are at, and gives their leases back.
    pub async fn stop(mut self) -> Vec<(ProjectionId, StopReason)> {
        self.stop.send_replace(true);
        let mut reasons = Vec::with_capacity(self.projections.len());
        for projection in self.projections.drain(..) {
            let reason = projection.stopped().await;
            // A task that has reported its end has nothing left to do.
            let _ = projection.task.await;
            reasons.push(reason);
        }
        reasons
    }

    /// Like [`stop`](Self::stop), but lets go after `deadline` of whatever is not done by then. What was under way is rolled
    /// back.
    pub async fn stop_within(mut self, deadline: Duration) -> Vec<(ProjectionId, StopReason)> {
        self.stop.send_replace(true);
        let until = tokio::time::Instant::now() + deadline;
        let mut reasons = Vec::with_capacity(self.projections.len());
        for projection in std::mem::take(&mut self.projections) {
            match tokio::time::timeout_at(until, projection.stopped()).await {
                Ok(reason) => reasons.push(reason),
                Err(_) => {
                    projection.task.abort();
                    self.release(&projection).await;
                    reasons.push((projection.id, StopReason::Asked));
                }
            }
        }
        reasons
    }

    /// Gives back the lease of a projection that was cut off, so that others need not wait for it to run out.
    async fn release(&self, projection: &Started) {
        let held = projection.held.borrow().clone();
        if let Some(lease) = held {
            let _ = tokio::time::timeout(Settings::SHORTEST_LEASE, self.store.release(&lease)).await;
        }
    }

    async fn reach(&self, projection: &Started, wanted: Position) -> Result<(), WaitError> {
        let mut progress = projection.progress.clone();
        loop {
            let Progress { position, phase, .. } = progress.borrow_and_update().clone();
            match phase {
                _ if position >= wanted => return Ok(()),
                Phase::Stopped(reason) => return Err(WaitError::Stopped { id: projection.id.clone(), reason }),
                Phase::Elsewhere { .. } if self.reached_elsewhere(&projection.id, wanted).await? => return Ok(()),
                _ => {}
            }
            // A projection that runs elsewhere does not tell, so it is asked again after a while.
            if let Ok(Err(_)) = tokio::time::timeout(Settings::DEFAULT_POLL, progress.changed()).await {
                // Its task is gone, and did not come to say so.
                return Err(WaitError::Stopped { id: projection.id.clone(), reason: StopReason::Asked });
            }
        }
    }

    async fn reached_elsewhere(&self, id: &ProjectionId, wanted: Position) -> Result<bool, Error> {
        let all = self.store.projections().await?;
        Ok(all.iter().any(|status| status.id == *id && status.position >= wanted))
    }
}

impl Started {
    /// Waits until the projection has stopped. A task that ended without a word was aborted with its runtime.
    async fn stopped(&self) -> (ProjectionId, StopReason) {
        let mut progress = self.progress.clone();
        let stopped = progress.wait_for(|progress| matches!(progress.phase, Phase::Stopped(_))).await;
        let reason = match stopped.as_deref() {
            Ok(Progress { phase: Phase::Stopped(reason), .. }) => reason.clone(),
            _ => StopReason::Asked,
        };
        (self.id.clone(), reason)
    }
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl<S> fmt::Debug for Running<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.projections.iter().map(|p| (&p.id, p.progress.borrow().phase.clone())).collect();
        f.debug_struct("Running").field("projections", &ids).finish_non_exhaustive()
    }
}
