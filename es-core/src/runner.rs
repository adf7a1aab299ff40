//! The runner: keeps projections current, exactly once, one owner at a time, and never stops without a word.

mod error;
mod progress;
mod running;
mod settings;
pub(crate) mod wait;

pub(crate) mod guard;
mod cause;
pub(crate) mod work;
mod act;
mod pace;
mod feed;
mod crew;
mod engine;
mod owned;
mod beat;
mod task;
mod step;
mod page;
mod seal;
mod take_in;
mod letters;
mod observe;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::document::{Document, InvalidIndex};
use crate::error::Error;
use crate::projection::Projector;
use crate::reactor::{Effect, Reactor};
use crate::read_model::{InvalidProjection, ProjectionId, ReadModelKind, ReadModelStore, Registration};
use crate::store::{EventFilter, InvalidFilter};

use act::{Acting, Perform, React};
use crew::Crew;
use feed::Feed;
use progress::Board;
use running::Started;
use work::{Fold, Project, Work};

pub use error::{RunError, StartError};
pub use progress::{Phase, Progress, StopReason};
pub use running::Running;
pub use settings::{OnFailure, Settings};
pub use wait::WaitError;

/// Runs projections: reads the log, has each projection take in what it wants, and moves its checkpoint in the same
/// transaction.
///
/// Reactors and effects are run in the same way: what is said of projections holds for them too.
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
    /// Whether no projection was added since they were given.
    are_settings_unused: bool,
    planned: Vec<Plan<S>>,
    /// How often the observer asks, if there is one.
    observe_every: Option<Duration>,
}

/// A projection that is to be started.
struct Plan<S> {
    registration: Result<Registration, InvalidProjection>,
    filter: Result<EventFilter, InvalidFilter>,
    index: Result<(), InvalidIndex>,
    settings: Settings,
    launch: Box<dyn FnOnce(Launch<S>) -> JoinHandle<()> + Send>,
}

/// What a projection needs to run.
struct Launch<S> {
    store: S,
    id: ProjectionId,
    filter: EventFilter,
    owner: Uuid,
    settings: Settings,
    feed: Arc<Feed>,
    board: Arc<Board>,
    stop: watch::Receiver<bool>,
}

impl<S: ReadModelStore> Runner<S> {
    /// How often the store is asked how the projections are doing, by default.
    pub const DEFAULT_OBSERVE_EVERY: Duration = Duration::from_secs(10);

    /// A runner over the store, without projections yet.
    pub fn new(store: S) -> Self {
        let observe_every = Some(Self::DEFAULT_OBSERVE_EVERY);
        Self { store, settings: Settings::default(), are_settings_unused: false, planned: Vec::new(), observe_every }
    }

    /// How often the store is asked how the projections of this runner are doing, for metrics. The default is
    /// [`DEFAULT_OBSERVE_EVERY`](Self::DEFAULT_OBSERVE_EVERY). Each time it is one query for all of them, in every process.
    ///
    /// It makes no difference without the feature `metrics`.
    pub fn observe_every(self, interval: Duration) -> Self {
        Self { observe_every: Some(interval), ..self }
    }

    /// Leaves the gauges that the store has to be asked for to others. Counters and the histogram are kept all the same.
    pub fn observe_never(self) -> Self {
        Self { observe_every: None, ..self }
    }

    /// The settings of all projections that are added from here on. The default is [`Settings::default`]. Behind the last
    /// projection they apply to none, which is [refused](StartError::SettingsForNothing) at the start.
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, are_settings_unused: true, ..self }
    }

    /// Adds a projector.
    #[allow(clippy::should_implement_trait, reason = "nobody takes this for arithmetic")]
    pub fn add<P: Projector<Target = S::Target>>(self, projector: P) -> Self {
        self.plan(Project(projector))
    }

    /// Adds documents.
    pub fn document<D: Document>(self) -> Self {
        self.plan(Fold::<D>::new())
    }

    /// Adds a reactor: commands that follow from events.
    pub fn react<R: Reactor>(self, reactor: R) -> Self {
        self.plan(Acting(React(reactor)))
    }

    /// Adds an effect: whatever else follows from events.
    pub fn effect<E: Effect>(self, effect: E) -> Self {
        self.plan(Acting(Perform(effect)))
    }

    pub(crate) fn plan<W: Work<S>>(mut self, work: W) -> Self {
        let (registration, filter, index) = (W::registration(), work::filter_of(&work), work.check_index());
        let launch = Box::new(move |launch: Launch<S>| tokio::spawn(Crew::new(launch, work).run()));
        self.are_settings_unused = false;
        self.planned.push(Plan { registration, filter, index, settings: self.settings, launch });
        self
    }

    /// Starts them all, each as a task of its own. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] for a configuration that cannot work, and when the store cannot be reached to make room for the
    /// projections. Nothing runs then.
    pub async fn start(self) -> Result<Running<S>, StartError> {
        let (registrations, filters) = self.check()?;
        let Self { store, planned, observe_every, .. } = self;
        observe::describe();
        let planned: Vec<_> = planned.into_iter().map(|Plan { settings, launch, .. }| (settings, launch)).collect();
        let checked: Vec<_> = registrations.into_iter().zip(filters).collect();
        let mut kept = Vec::with_capacity(checked.len());
        for (registration, filter) in &checked {
            register(&store, registration).await?;
            kept.push(check_history(&store, registration, filter).await?);
        }
        // Only now, when all of them will run: of one that will not, it is still told why it stopped.
        for ((Registration { id, .. }, _), filter) in checked.iter().zip(&kept) {
            store.take_up(id, filter).await?;
        }
        let ids = checked.iter().map(|(registration, _)| registration.id.clone()).collect();
        let filters: Vec<_> = checked.iter().map(|(_, filter)| filter.clone()).collect();
        let (feed, owner) = (Arc::new(Feed::new(&filters)), Uuid::now_v7());
        let (stop, stopped) = watch::channel(false);
        observe::observe(&store, ids, observe_every, stopped.clone());
        let mut projections = Vec::with_capacity(planned.len());
        for ((Registration { id, .. }, filter), (settings, launch)) in checked.into_iter().zip(planned) {
            let (board, feed) = (Board::new(), Arc::clone(&feed));
            let (store, stop, seen) = (store.clone(), stopped.clone(), Arc::clone(&board));
            let task = launch(Launch { store, id: id.clone(), filter, owner, settings, feed, board: seen, stop });
            projections.push(Started { id, board, task });
        }
        Ok(Running::new(store, stop, projections))
    }

    /// Takes in everything that is stored by now, however long that takes, and stops: for a job that runs at night, or a
    /// rebuild before a deployment. What was asked for before, a rebuild or a retry of dead letters, is done then.
    ///
    /// # Errors
    /// [`RunError::Start`] as for [`start`](Self::start), [`RunError::Paused`] when somebody has asked for a pause, and
    /// [`RunError::Wait`] when a projection has stopped before it got there.
    pub async fn run_to_end(self) -> Result<(), RunError> {
        let running = self.start().await?;
        let reached = running.catch_up_within(Duration::MAX).await;
        running.stop().await;
        Ok(reached?)
    }

    fn check(&self) -> Result<(Vec<Registration>, Vec<EventFilter>), StartError> {
        let mut seen = HashSet::new();
        let (mut registrations, mut filters) = (Vec::new(), Vec::new());
        for plan in &self.planned {
            let registration = plan.registration.clone()?;
            plan.settings.check(&registration.id)?;
            if !seen.insert(registration.id.clone()) {
                return Err(StartError::Twice { id: registration.id });
            }
            if let Err(source) = plan.index.clone() {
                return Err(StartError::Index { id: registration.id, source });
            }
            match &plan.filter {
                Ok(filter) => filters.push(filter.clone()),
                Err(source) => return Err(StartError::Filter { id: registration.id, source: source.clone() }),
            }
            registrations.push(Registration { parts: plan.settings.parts, ..registration });
        }
        if self.observe_every.is_some_and(|interval| interval.is_zero()) {
            return Err(StartError::ObserveEvery);
        }
        match registrations.is_empty() {
            true => Err(StartError::Nothing),
            false if self.are_settings_unused => Err(StartError::SettingsForNothing),
            false => Ok((registrations, filters)),
        }
    }
}

/// Makes room for a projection. One that is known stays as it is divided, and whoever wanted it otherwise is told.
async fn register<S: ReadModelStore>(store: &S, registration: &Registration) -> Result<(), Error> {
    let Registration { id, parts, .. } = registration;
    let is_new = store.register(registration).await?;
    if is_new || *parts == Settings::DEFAULT_PARTS {
        return Ok(());
    }
    let has = store.parts(id).await?.len();
    if has != usize::from(*parts) {
        observe::divided_otherwise(id, *parts, has);
    }
    Ok(())
}

/// Refuses a projection that wants to see more than it has seen in its history. Reactors begin with what they hear of anew where
/// they are.
///
/// Answers by which filter what is behind it was taken in. That stays the earlier one where it is to go back first: that may be
/// refused yet, and then it has missed what it wants now.
async fn check_history<S: ReadModelStore>(
    store: &S,
    Registration { id, kind, .. }: &Registration,
    filter: &EventFilter,
) -> Result<EventFilter, StartError> {
    let taken_in = if *kind == ReadModelKind::Reactor { None } else { store.taken_in(id).await? };
    let Some(taken_in) = taken_in else { return Ok(filter.clone()) };
    if let Some(missed) = taken_in.missed(filter) {
        return Err(StartError::WantsMore { id: id.clone(), missed: missed.to_string() });
    }
    let is_kept = taken_in.wider(filter).is_some() && is_to_go_back(store, id).await?;
    Ok(if is_kept { taken_in.filter } else { filter.clone() })
}

async fn is_to_go_back<S: ReadModelStore>(store: &S, id: &ProjectionId) -> Result<bool, Error> {
    Ok(store.projections().await?.iter().any(|status| status.id == *id && status.task.is_some()))
}

impl<S> fmt::Debug for Runner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.planned.iter().map(|plan| plan.registration.as_ref().map(|known| &known.id)).collect();
        f.debug_struct("Runner").field("projections", &ids).finish_non_exhaustive()
    }
}
