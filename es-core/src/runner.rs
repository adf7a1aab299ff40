//! The runner: keeps projections current, exactly once, one owner at a time, and never stops without a word.

mod guard;
mod work;
mod engine;
mod page;
mod take_in;
mod letters;

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::document::Document;
use crate::error::Error;
use crate::execute::Outcome;
use crate::projection::Projector;
use crate::read_model::{InvalidProjection, Lease, ProjectionId, ReadModelKind, ReadModelStore};
use crate::recorded::Position;
use crate::retry::Retry;
use crate::stream::{StreamId, Version};

use engine::Engine;
use work::{Fold, Project, Work};

/// Runs projections: reads the log, has each projection take in what it wants, and moves its checkpoint in the same
/// transaction.
///
/// Any number of processes may run the same projections. Each projection has one owner at a time; when that one dies, another
/// takes over as soon as its lease runs out, and a checkpoint cannot be moved under a lease that was taken over.
///
/// # Example: a read model in five lines
///
/// ```
/// # use es_core::{Aggregate, Document, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Default)]
/// # struct Account;
/// # impl Aggregate for Account {
/// #     type Id = String;
/// #     type Event = AccountEvent;
/// #     fn apply(&mut self, _: AccountEvent) {}
/// # }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Balance { cents: u64 }
/// # impl Document for Balance {
/// #     const NAME: &'static str = "balance";
/// #     type Event = AccountEvent;
/// #     fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys { event.stream.id() }
/// #     fn apply(&mut self, event: &Recorded<AccountEvent>) {
/// #         let AccountEvent::Deposited { amount } = event.event;
/// #         self.cents += amount;
/// #     }
/// # }
/// use es_core::{EventStoreExt, ExpectedVersion, ReadModels, Runner};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let running = Runner::new(store.clone()).document::<Balance>().start().await?;
///
/// let deposited = AccountEvent::Deposited { amount: 5 };
/// store.append_events::<Account>(&"ada".to_owned(), ExpectedVersion::Any, deposited).await?;
///
/// running.catch_up().await?;
/// assert_eq!(store.documents::<Balance>()?.get("ada").await?.unwrap().cents, 5);
/// running.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a runner does nothing until it is started"]
pub struct Runner<S> {
    store: S,
    settings: Settings,
    planned: Vec<Plan<S>>,
}

/// A projection that is to be started.
struct Plan<S> {
    id: Result<ProjectionId, InvalidProjection>,
    kind: ReadModelKind,
    settings: Settings,
    launch: Box<dyn FnOnce(Launch<S>) -> JoinHandle<()> + Send>,
}

/// What a projection needs to run.
struct Launch<S> {
    store: S,
    id: ProjectionId,
    owner: Uuid,
    settings: Settings,
    progress: watch::Sender<Progress>,
    lease: watch::Sender<Option<Lease>>,
    stop: watch::Receiver<bool>,
}

impl<S: ReadModelStore> Runner<S> {
    /// A runner over the store, without projections yet.
    pub fn new(store: S) -> Self {
        Self { store, settings: Settings::default(), planned: Vec::new() }
    }

    /// The settings of all projections that are added from here on. The default is [`Settings::default`].
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Adds a projector.
    #[allow(clippy::should_implement_trait, reason = "nobody takes this for arithmetic")]
    pub fn add<P: Projector<Target = S::Target>>(self, projector: P) -> Self {
        self.plan(P::NAME, P::VERSION, Project(projector))
    }

    /// Adds documents.
    pub fn document<D: Document>(self) -> Self {
        self.plan(D::NAME, D::VERSION, Fold::<D>::new())
    }

    fn plan<W: Work<S>>(mut self, name: &str, version: u32, work: W) -> Self {
        let launch = Box::new(move |launch: Launch<S>| tokio::spawn(Engine::new(launch, work).run()));
        let id = ProjectionId::new(name, version);
        self.planned.push(Plan { id, kind: W::KIND, settings: self.settings, launch });
        self
    }

    /// Starts them all, each as a task of its own. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] for a configuration that cannot work, and when the store cannot be reached to make room for the
    /// projections. Nothing runs then.
    pub async fn start(self) -> Result<Running<S>, StartError> {
        let ids = self.check()?;
        let Self { store, planned, .. } = self;
        // Only what is needed is held while the store is asked, so that the future can move between threads.
        let kinds: Vec<ReadModelKind> = planned.iter().map(|plan| plan.kind).collect();
        for (id, kind) in ids.iter().zip(kinds) {
            store.register(id, kind).await?;
        }
        let (stop, stopped) = watch::channel(false);
        let owner = Uuid::now_v7();
        let start = |(id, plan): (ProjectionId, Plan<S>)| {
            let (progress, seen) = watch::channel(Progress::default());
            let (lease, held) = watch::channel(None);
            let (store, stop, settings) = (store.clone(), stopped.clone(), plan.settings);
            let task = (plan.launch)(Launch { store, id: id.clone(), owner, settings, progress, lease, stop });
            Started { id, progress: seen, held, task }
        };
        let projections = ids.into_iter().zip(planned).map(start).collect();
        Ok(Running { store, stop, projections })
    }

    fn check(&self) -> Result<Vec<ProjectionId>, StartError> {
        let mut seen = HashSet::new();
        let mut ids = Vec::with_capacity(self.planned.len());
        for plan in &self.planned {
            let id = plan.id.clone()?;
            plan.settings.check(&id)?;
            if !seen.insert(id.clone()) {
                return Err(StartError::Twice { id });
            }
            ids.push(id);
        }
        if ids.is_empty() { Err(StartError::Nothing) } else { Ok(ids) }
    }
}

impl<S> fmt::Debug for Runner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.planned.iter().map(|plan| &plan.id).collect();
        f.debug_struct("Runner").field("projections", &ids).finish_non_exhaustive()
    }
}

/// A configuration that cannot work, or a store that cannot be reached.
///
/// # Example: two projections of one name
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
/// # async fn main() {
/// use es_core::Runner;
///
/// let twice = Runner::new(es_memory::MemoryStore::new()).document::<Balance>().document::<Balance>();
/// let refused = twice.start().await.unwrap_err();
/// assert_eq!(refused.to_string(), "projection `balance v1` was added twice");
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No projection was added.
    #[error("a runner needs at least one projection: call `add` or `document` before `start`")]
    Nothing,
    /// Two projections have one name and version.
    #[error("projection `{id}` was added twice")]
    Twice {
        /// Which one.
        id: ProjectionId,
    },
    /// A name that no projection can have.
    #[error(transparent)]
    Name(#[from] InvalidProjection),
    /// A setting that cannot work.
    #[error("projection `{id}`: {problem}")]
    Settings {
        /// Which projection.
        id: ProjectionId,
        /// What cannot work.
        problem: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How a projection is run.
///
/// # Example: park what cannot be taken in, after five tries
///
/// ```
/// use std::time::Duration;
/// use es_core::{OnFailure, Retry, Settings};
///
/// let settings = Settings::default()
///     .on_failure(OnFailure::park().after(Retry::attempts(5).base(Duration::from_millis(100))))
///     .batch(500);
/// # let _ = settings;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    batch: u32,
    lease: Duration,
    poll: Duration,
    on_failure: OnFailure,
}

impl Settings {
    /// How many events are taken in at once at the most, by default.
    pub const DEFAULT_BATCH: u32 = 1_000;
    /// How long a lease lasts by default. When a process dies, others take over after this time.
    pub const DEFAULT_LEASE: Duration = Duration::from_secs(10);
    /// The shortest lease: it is renewed three times while it lasts.
    pub const SHORTEST_LEASE: Duration = Duration::from_millis(300);
    /// How long a projection that has nothing to do waits before it looks again, by default. An append by the same store wakes
    /// it at once.
    pub const DEFAULT_POLL: Duration = Duration::from_millis(20);
    /// The longest such wait: it doubles while nothing comes.
    pub const LONGEST_POLL: Duration = Duration::from_millis(250);

    /// At most `events` events at once. The default is [`DEFAULT_BATCH`](Self::DEFAULT_BATCH).
    #[must_use]
    pub const fn batch(self, events: u32) -> Self {
        Self { batch: events, ..self }
    }

    /// How long a lease lasts. The default is [`DEFAULT_LEASE`](Self::DEFAULT_LEASE).
    #[must_use]
    pub const fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How long to wait before looking again. The default is [`DEFAULT_POLL`](Self::DEFAULT_POLL).
    #[must_use]
    pub const fn poll(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    /// What becomes of an event that cannot be taken in. The default is [`OnFailure::default`].
    #[must_use]
    pub const fn on_failure(self, on_failure: OnFailure) -> Self {
        Self { on_failure, ..self }
    }

    fn check(&self, id: &ProjectionId) -> Result<(), StartError> {
        let problem = match self {
            Self { batch: 0, .. } => "a batch of 0 events never gets anywhere",
            Self { lease, .. } if *lease < Self::SHORTEST_LEASE => {
                "the lease is shorter than 300 ms, and would run out between its renewals"
            }
            Self { poll: Duration::ZERO, .. } => "a poll interval of 0 would keep a processor busy with nothing",
            Self { poll, lease, .. } if poll > lease => "the poll interval is longer than the lease",
            _ => return Ok(()),
        };
        Err(StartError::Settings { id: id.clone(), problem })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch: Self::DEFAULT_BATCH,
            lease: Self::DEFAULT_LEASE,
            poll: Self::DEFAULT_POLL,
            on_failure: OnFailure::default(),
        }
    }
}

/// What becomes of an event that a projection cannot take in: it is tried again for a while, and then the policy decides.
///
/// A failure that [will pass](ReadModelStore::is_transient), such as a lost connection or a deadlock, does not count: the
/// projection waits for it to pass, however long it takes, and says so in its [`Phase`].
///
/// # Example: the three policies
///
/// ```
/// use es_core::{OnFailure, Retry};
///
/// let stop = OnFailure::stop();                                // the default: nothing moves until somebody looks
/// let skip = OnFailure::skip().after(Retry::never());          // leave it out, with a dead letter
/// let park = OnFailure::park();                                // its stream waits, all others go on
/// assert_eq!(OnFailure::default(), stop);
/// # let _ = (skip, park);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnFailure {
    retry: Retry,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Stop,
    Skip,
    Park,
}

impl OnFailure {
    /// How often an event is tried by default.
    pub const DEFAULT_ATTEMPTS: u32 = 5;

    /// Stops the projection. It begins again with the same event when it is started again.
    pub const fn stop() -> Self {
        Self::then(Then::Stop)
    }

    /// Leaves the event out, and keeps a dead letter.
    pub const fn skip() -> Self {
        Self::then(Then::Skip)
    }

    /// Keeps a dead letter, and has the rest of the event's stream wait behind it, in order. All other streams go on.
    pub const fn park() -> Self {
        Self::then(Then::Park)
    }

    /// How often to try before that. The default is [`DEFAULT_ATTEMPTS`](Self::DEFAULT_ATTEMPTS) tries, the waits doubling from
    /// 50 ms.
    #[must_use]
    pub const fn after(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    const fn then(then: Then) -> Self {
        let retry = Retry::attempts(Self::DEFAULT_ATTEMPTS).base(Duration::from_millis(50)).cap(Duration::from_secs(5));
        Self { retry, then }
    }
}

impl Default for OnFailure {
    fn default() -> Self {
        Self::stop()
    }
}

/// How far a projection of this process has come, and what it does right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Everything up to here has been taken in, and is committed.
    pub position: Position,
    /// How many events this process has taken in.
    pub events: u64,
    /// What it does right now.
    pub phase: Phase,
}

/// What a projection of this process does right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It has not looked yet.
    #[default]
    Starting,
    /// It takes in events.
    Working,
    /// It has taken in all there was, and waits for more.
    Idle,
    /// Another process works on it.
    Elsewhere {
        /// The owner of the lease.
        owner: Uuid,
    },
    /// Somebody asked for a pause.
    Paused,
    /// Something went wrong, and it tries again.
    Retrying {
        /// What went wrong.
        error: String,
        /// How often it has been tried.
        attempts: u32,
    },
    /// It does nothing any more.
    Stopped(StopReason),
}

/// Why a projection of this process does nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody stopped the runner.
    #[error("the runner was stopped")]
    Asked,
    /// An event could not be taken in, and the policy says to stop.
    #[error("event {version} of stream `{stream}` could not be taken in after {attempts} tries: {error}")]
    Failed {
        /// The event's stream.
        stream: StreamId,
        /// The event's version.
        version: Version,
        /// How often it was tried.
        attempts: u32,
        /// What went wrong the last time.
        error: String,
    },
    /// What it has written could not be removed, so the rebuild that was asked for did not begin. It goes on as it was when it
    /// is started again.
    #[error("the rebuild did not begin: {error}")]
    NotRebuilt {
        /// What went wrong.
        error: String,
    },
    /// The store failed in a way that will not pass.
    #[error("{error}")]
    Store {
        /// What went wrong.
        error: String,
    },
}

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
