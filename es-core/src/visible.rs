//! Read your own writes: a command that is answered when projections have taken it in.

use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::time::Duration;

use crate::aggregate::Aggregate;
use crate::command::Command;
use crate::document::Document;
use crate::error::ExecuteError;
use crate::execute::{Decide, Execute, Outcome};
use crate::read_model::{InvalidProjection, ProjectionId, ReadModelStore};
use crate::runner::WaitError;
use crate::runner::wait::{self, OfCommand, Stops, Wanted};
use crate::store::{BoxFuture, EventStore};

/// A command that is answered when projections have taken it in, or when the time is up. Made by [`Execute::wait_for`].
///
/// # Example: the page that is shown next knows of the deposit
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = String, event = AccountEvent, apply = Account::pass_by)]
/// # struct Account;
/// # impl Account {
/// #     fn pass_by(&mut self, _: AccountEvent) {}
/// #     fn decide(&self, command: Deposit, _: &Context) -> Result<AccountEvent, std::convert::Infallible> {
/// #         Ok(AccountEvent::Deposited { amount: command.amount })
/// #     }
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Account, handle = Account::decide, error = std::convert::Infallible)]
/// # struct Deposit { id: String, amount: u64 }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Balance { cents: u64 }
/// # impl es_core::Document for Balance {
/// #     const NAME: &'static str = "balance";
/// #     type Event = AccountEvent;
/// #     fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys { event.stream.id() }
/// #     fn apply(&mut self, event: &Recorded<AccountEvent>) {
/// #         let AccountEvent::Deposited { amount } = event.event;
/// #         self.cents += amount;
/// #     }
/// # }
/// use es_core::{EventStoreExt, ReadModels, Runner};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let running = Runner::new(store.clone()).document::<Balance>().start().await?;
///
/// let deposited = store.execute(Deposit { id: "ada".into(), amount: 5 }).wait_for_document::<Balance>().await?;
/// assert_eq!(deposited.version.0, 1);
/// deposited.visible?;
/// assert_eq!(store.documents::<Balance>()?.get("ada").await?.unwrap().cents, 5);
/// # running.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a command does nothing until it is awaited"]
pub struct ExecuteAndWait<'a, S, C, D> {
    execute: Execute<'a, S, C, D>,
    projections: Vec<Result<ProjectionId, InvalidProjection>>,
    within: Duration,
}

/// What became of a command, and whether projections have taken it in. It can be used like the [`Outcome`] itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Visible<A: Aggregate> {
    /// What became of the command. It is done, whatever became of the wait.
    pub outcome: Outcome<A>,
    /// Whether all the projections that were named have taken it in. If not, they will: one that has [stopped](WaitError::Stopped)
    /// or is [paused](WaitError::Paused), when it goes on again. A repeat of the command would do it twice, unless it has an
    /// [idempotency key](Execute::idempotency_key). One that has [parked](WaitError::Parked) the stream, or has
    /// [left out](WaitError::LeftOut) an event of the command, will not until somebody settles that.
    pub visible: Result<(), WaitError>,
}

impl<A: Aggregate> Deref for Visible<A> {
    type Target = Outcome<A>;

    fn deref(&self) -> &Outcome<A> {
        &self.outcome
    }
}

impl<'a, S: ReadModelStore, C, D> Execute<'a, S, C, D> {
    /// Waits, when the command is done, until these projections have taken it in, in whichever process they run.
    pub fn wait_for(self, projections: impl IntoIterator<Item = ProjectionId>) -> ExecuteAndWait<'a, S, C, D> {
        ExecuteAndWait::new(self).wait_for(projections)
    }

    /// Waits, when the command is done, until the documents of type `R` have taken it in.
    pub fn wait_for_document<R: Document>(self) -> ExecuteAndWait<'a, S, C, D> {
        self.wait_for([]).wait_for_document::<R>()
    }
}

impl<'a, S, C, D> ExecuteAndWait<'a, S, C, D> {
    pub(crate) fn new(execute: Execute<'a, S, C, D>) -> Self {
        Self { execute, projections: Vec::new(), within: wait::DEFAULT_WAIT }
    }

    /// Waits for these projections, too.
    pub fn wait_for(mut self, projections: impl IntoIterator<Item = ProjectionId>) -> Self {
        self.projections.extend(projections.into_iter().map(Ok));
        self
    }

    /// Waits for the documents of type `R`, too.
    pub fn wait_for_document<R: Document>(mut self) -> Self {
        self.projections.push(ProjectionId::new(R::NAME, R::VERSION));
        self
    }

    /// How long to wait at the most, after the command is done. The default is 10 seconds.
    pub fn within(self, deadline: Duration) -> Self {
        Self { within: deadline, ..self }
    }
}

impl<'a, S: EventStore, C: Command, D: Decide<C>> ExecuteAndWait<'a, S, C, D> {
    /// The read models are kept by the store itself, or by one that it is made of.
    pub(crate) async fn run<M: ReadModelStore>(
        self,
        kept_by: fn(&'a S) -> &'a M,
    ) -> Result<Visible<C::Aggregate>, ExecuteError<D::Error>> {
        let Self { execute, projections, within } = self;
        let store = kept_by(execute.store());
        let outcome = execute.await?;
        let visible = match OfCommand::of(&outcome) {
            Some(of_command) => see(store, projections, of_command, within).await,
            None => Ok(()),
        };
        Ok(Visible { outcome, visible })
    }
}

async fn see<S: ReadModelStore>(
    store: &S,
    projections: Vec<Result<ProjectionId, InvalidProjection>>,
    of_command: OfCommand,
    within: Duration,
) -> Result<(), WaitError> {
    let ids = projections.into_iter().collect::<Result<Vec<_>, _>>()?;
    let wanted = Wanted::by_now(store, Some(of_command)).await?;
    wait::until(store, &ids, &wanted, within, Stops::AreFinal).await
}

impl<'a, S: ReadModelStore, C: Command, D: Decide<C> + 'a> IntoFuture for ExecuteAndWait<'a, S, C, D> {
    type Output = Result<Visible<C::Aggregate>, ExecuteError<D::Error>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run(|store| store))
    }
}

impl<S, C, D> fmt::Debug for ExecuteAndWait<'_, S, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecuteAndWait")
            .field("projections", &self.projections)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
