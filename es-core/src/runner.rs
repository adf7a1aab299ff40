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

