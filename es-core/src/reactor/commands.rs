//! The commands that follow from an event, and how they are executed so that each takes effect once.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;

use uuid::Uuid;

use crate::command::{Command, Handle};
use crate::error::{BoxError, Error, ExecuteError};
use crate::execute::{Execute, Pure};
use crate::idempotency::{IdempotencyKey, Keyed};
use crate::metadata::{EventId, Metadata};
use crate::reactor::{OnRejection, Reactor};
use crate::recorded::Recorded;
use crate::store::EventStore;

/// What a reactor may answer with: a command that its aggregate [decides on](Handle), none, or several, to one aggregate or to
/// several, in an `Option`, a `Vec`, an array or a tuple of such.
///
/// # Example: one of several commands, in an enum
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "stock")]
/// # enum StockEvent { Reserved }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = String, event = StockEvent, apply = apply)]
/// # struct Stock;
/// # fn apply(_: &mut Stock, _: StockEvent) {}
/// # fn reserve(_: &Stock, _: Reserve, _: &Context) -> Result<StockEvent, std::convert::Infallible> { Ok(StockEvent::Reserved) }
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "payment")]
/// # enum PaymentEvent { Refunded }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = String, event = PaymentEvent, apply = apply_payment)]
/// # struct Payment;
/// # fn apply_payment(_: &mut Payment, _: PaymentEvent) {}
/// # fn refund(_: &Payment, _: Refund, _: &Context) -> Result<PaymentEvent, std::convert::Infallible> { Ok(PaymentEvent::Refunded) }
/// # #[derive(Clone, Debug, PartialEq, Command)]
/// # #[command(aggregate = Stock, handle = reserve, error = std::convert::Infallible)]
/// # struct Reserve { id: String }
/// # #[derive(Clone, Debug, PartialEq, Command)]
/// # #[command(aggregate = Payment, handle = refund, error = std::convert::Infallible)]
/// # struct Refund { id: String }
/// use es_core::{BoxError, EventStore, IntoCommands, Reaction};
///
/// #[derive(Debug, PartialEq)]
/// enum Step {
///     Reserve(Reserve),
///     Refund(Refund),
/// }
///
/// impl IntoCommands for Step {
///     async fn execute<S: EventStore>(self, reaction: &mut Reaction<'_, S>) -> Result<(), BoxError> {
///         match self {
///             Self::Reserve(command) => reaction.execute(command).await,
///             Self::Refund(command) => reaction.execute(command).await,
///         }
///     }
/// }
///
/// assert!(!vec![Step::Reserve(Reserve { id: "7".into() })].is_nothing());
/// assert!((None::<Step>, ()).is_nothing());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not one or several commands that their aggregates decide on",
    label = "not commands",
    note = "a command needs `#[derive(Clone, Command)]`, and its aggregate a `Handle` for it; several may be in an `Option`, a \
            `Vec`, an array or a tuple"
)]
pub trait IntoCommands: Send {
    /// Whether there is no command in it.
    fn is_nothing(&self) -> bool {
        false
    }

    /// Has the commands executed, in order.
    ///
    /// # Errors
    /// Whatever [`Reaction::execute`] says, at once: the commands behind are not executed then.
    fn execute<S: EventStore>(
        self,
        reaction: &mut Reaction<'_, S>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// The reaction to one event, under way.
pub struct Reaction<'a, S> {
    store: &'a S,
    reactor: &'static str,
    event: EventId,
    metadata: Metadata,
    on_rejection: &'a (dyn Fn(&(dyn StdError + Send + Sync + 'static)) -> OnRejection + Sync),
    /// How many commands were executed.
    executed: u32,
}

/// A command that its aggregate has refused. It would be refused again.
#[derive(Debug, thiserror::Error)]
#[error("command {ordinal} of the reaction, `{command}`, was rejected")]
pub(crate) struct CommandRejected {
    ordinal: u32,
    command: &'static str,
    source: BoxError,
}

/// Has the commands executed that follow from an event.
pub(crate) async fn carry_out<S: EventStore, R: Reactor>(
    store: &S,
    reactor: &R,
    event: &Recorded<R::Event>,
) -> Result<(), BoxError> {
    let metadata = Metadata::following(event);
    let on_rejection = |rejection: &(dyn StdError + Send + Sync + 'static)| reactor.rejected(event, rejection);
    let mut reaction = Reaction {
        store,
        reactor: R::NAME,
        event: event.id,
        metadata: metadata.clone(),
        on_rejection: &on_rejection,
        executed: 0,
    };
    let commands = reactor.react(event);
    metadata.scope(Box::pin(commands.execute(&mut reaction))).await
}

impl<S: EventStore> Reaction<'_, S> {
    /// Executes the next command: once, however often the event comes.
    ///
    /// # Errors
    /// The command's failure; and its rejection, unless the reactor [ignores](OnRejection::Ignore) it.
    pub async fn execute<C>(&mut self, command: C) -> Result<(), BoxError>
    where
        C: Command,
        C::Aggregate: Handle<C>,
    {
        self.executed = self.executed.saturating_add(1);
        let command = Execute::new(self.store, command, Pure).metadata(self.metadata.clone());
        match command.keyed(self.key()).await {
            Ok(_) => Ok(()),
            Err(ExecuteError::Rejected(rejection)) => self.rejected::<C>(rejection),
            Err(ExecuteError::KeyReused(reused)) => Err(Error::from(reused).into()),
            Err(ExecuteError::Conflict(conflict)) => Err(Error::from(conflict).into()),
            Err(ExecuteError::Store(error)) => Err(error.into()),
        }
    }

    /// By this a repeat is recognised, whatever the command has become in a later release.
    fn key(&self) -> Keyed {
        let Self { reactor, event, executed, .. } = self;
        Keyed::new(IdempotencyKey::own(format_args!("reaction/{reactor}/{event}/{executed}")), Uuid::nil())
    }

    fn rejected<C: Command>(&self, rejection: <C::Aggregate as Handle<C>>::Error) -> Result<(), BoxError>
    where
        C::Aggregate: Handle<C>,
    {
        let command = std::any::type_name::<C>();
        match (self.on_rejection)(&rejection) {
            OnRejection::Fail => {
                Err(CommandRejected { ordinal: self.executed, command, source: rejection.into() }.into())
            }
            OnRejection::Ignore => {
                let (reactor, event, ordinal) = (self.reactor, self.event, self.executed);
                tracing::debug!(reactor, %event, ordinal, command, %rejection, "a rejection was ignored");
                Ok(())
            }
        }
    }
}

impl<S> fmt::Debug for Reaction<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reactor, event, executed, .. } = self;
        let mut told = f.debug_struct("Reaction");
        told.field("reactor", reactor).field("event", event).field("executed", executed).finish_non_exhaustive()
    }
}

impl<C: Command> IntoCommands for C
where
    C::Aggregate: Handle<C>,
{
    async fn execute<S: EventStore>(self, reaction: &mut Reaction<'_, S>) -> Result<(), BoxError> {
        reaction.execute(self).await
    }
}

impl IntoCommands for () {
    fn is_nothing(&self) -> bool {
        true
    }

    async fn execute<S: EventStore>(self, _: &mut Reaction<'_, S>) -> Result<(), BoxError> {
        Ok(())
    }
}

macro_rules! sequences {
    ($($sequence:ty $(, const $n:ident)?;)*) => {$(
        impl<T: IntoCommands $(, const $n: usize)?> IntoCommands for $sequence {
            fn is_nothing(&self) -> bool {
                self.iter().all(T::is_nothing)
            }

            async fn execute<S: EventStore>(self, reaction: &mut Reaction<'_, S>) -> Result<(), BoxError> {
                for part in self.into_iter() {
                    part.execute(reaction).await?;
                }
                Ok(())
            }
        }
    )*};
}

macro_rules! tuples {
    ($(($($part:ident),+))*) => {$(
        #[allow(non_snake_case, reason = "each part is bound under the name of its type")]
        impl<$($part: IntoCommands),+> IntoCommands for ($($part,)+) {
            fn is_nothing(&self) -> bool {
                let ($($part,)+) = self;
                true $(&& $part.is_nothing())+
            }

            async fn execute<S: EventStore>(self, reaction: &mut Reaction<'_, S>) -> Result<(), BoxError> {
                let ($($part,)+) = self;
                $($part.execute(reaction).await?;)+
                Ok(())
            }
        }
    )*};
}

sequences! { Option<T>; Vec<T>; [T; N], const N; }
tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }
