//! Reactors: what follows from an event, in commands.

mod commands;
mod effect;

use std::error::Error as StdError;

use crate::event::Event;
use crate::recorded::Recorded;
use crate::store::EventFilter;

pub(crate) use commands::{CommandRejected, carry_out};
pub use commands::{IntoCommands, Reaction};
pub use effect::Effect;

/// Says what follows from an event: commands to any aggregates. Pure, like a decision: no I/O, no clock, and the same event always
/// gives the same commands, in the same order.
///
/// A [`Runner`](crate::Runner) has them executed, with the failure policy, the lifecycle and the dead letters that projections
/// have. Each command takes effect once: the first command of an event is executed under a key made of the reactor's name, the
/// event's id and the number 1, the second under number 2, and so on. When the event comes again, after a crash at any point or
/// to another process, what was done is recognised, and what was not is done. The commands carry on the conversation of the event,
/// which is their cause; see [`Metadata::following`](crate::Metadata::following).
///
/// **What is history stays silent.** A reactor begins with the present, unless it [says otherwise](Self::BEGINS); it cannot be
/// rebuilt or rewound, since that would do things again. What comes of an event is not undone either: that takes an event
/// of its own.
///
/// For what is not a command, such as a mail, see [`Effect`].
///
/// # Example: what is paid is shipped
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "order")]
/// # enum OrderEvent { Placed, Paid }
/// # #[derive(Default)]
/// # struct Order;
/// # impl Aggregate for Order {
/// #     type Id = String;
/// #     type Event = OrderEvent;
/// #     fn apply(&mut self, _: OrderEvent) {}
/// # }
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "parcel")]
/// # enum ParcelEvent { Sent }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = String, event = ParcelEvent, apply = apply)]
/// # struct Parcel { sent: u32 }
/// # fn apply(parcel: &mut Parcel, _: ParcelEvent) { parcel.sent += 1 }
/// # fn send(_: &Parcel, _: Send, _: &Context) -> Result<ParcelEvent, std::convert::Infallible> { Ok(ParcelEvent::Sent) }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Parcel, handle = send, error = std::convert::Infallible)]
/// # struct Send { id: String }
/// use es_core::{EventStoreExt, ExpectedVersion, Reactor, Recorded, Runner};
///
/// struct Shipping;
///
/// impl Reactor for Shipping {
///     const NAME: &'static str = "shipping";
///     type Event = OrderEvent;
///     type Commands = Option<Send>;
///
///     fn react(&self, event: &Recorded<OrderEvent>) -> Option<Send> {
///         match event.event {
///             OrderEvent::Paid => Some(Send { id: event.stream.id().to_owned() }),
///             OrderEvent::Placed => None,
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let running = Runner::new(store.clone()).react(Shipping).start().await?;
///
/// store.append_events::<Order>("7", ExpectedVersion::Any, [OrderEvent::Placed, OrderEvent::Paid]).await?;
/// running.catch_up().await?;
/// assert_eq!(store.load::<Parcel>("7").await?.state.sent, 1);
/// running.stop().await;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reactor",
    label = "not a reactor",
    note = "implement `Reactor` for it, or implement `Effect` and add it with `effect`"
)]
pub trait Reactor: Send + Sync + 'static {
    /// Names the reactor for ever: its checkpoint, and the keys of its commands, are kept under it. Lower-case letters, digits
    /// and `_`. Under another name it is another reactor, which does what it does once more.
    const NAME: &'static str;
    /// Where it begins when it is started for the first time. The default is [`BeginsAt::Present`].
    const BEGINS: BeginsAt = BeginsAt::Present;
    /// The events it wants to see: those of one aggregate, or a union of several.
    type Event: Event;
    /// The commands that follow: one, or several in an `Option`, a `Vec`, an array or a tuple, to one aggregate or to several.
    type Commands: IntoCommands;

    /// Which events it wants to see. The store filters. By default all of the categories of [`Event`](Self::Event), so that an
    /// event of an unknown type is met, and not skipped.
    fn filter(&self) -> EventFilter {
        EventFilter::of::<Self::Event>()
    }

    /// What follows from the event.
    fn react(&self, event: &Recorded<Self::Event>) -> Self::Commands;

    /// What becomes of a command that the domain has refused: `rejection` is the domain's own error. By default it is a failure of
    /// the reaction, which is not tried again, because it would be refused again: the projection stops, skips or parks at
    /// once, as [`OnFailure`](crate::OnFailure) says.
    ///
    /// A refusal leaves nothing behind. Should the process die before the checkpoint is moved, the command is decided again.
    fn rejected(
        &self,
        event: &Recorded<Self::Event>,
        rejection: &(dyn StdError + Send + Sync + 'static),
    ) -> OnRejection {
        let _ = (event, rejection);
        OnRejection::Fail
    }
}

/// Where a reactor begins when it is started for the first time. What was settled then stays.
///
/// # Example: make up for what nobody did
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "order")]
/// # enum OrderEvent { Placed }
/// use es_core::{BeginsAt, BoxError, Effect, EventId, Recorded};
///
/// struct Thanks;
///
/// impl Effect for Thanks {
///     const NAME: &'static str = "thanks";
///     const BEGINS: BeginsAt = BeginsAt::FirstEvent;
///     type Event = OrderEvent;
///     type Error = BoxError;
///
///     async fn perform(&self, event: &Recorded<OrderEvent>, token: EventId) -> Result<(), BoxError> {
///         println!("{token}: thanks for order {}", event.stream.id());
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeginsAt {
    /// With what is recorded from now on. What is in the log by then is history, and leads to nothing.
    #[default]
    Present,
    /// At the first event of the log, all of which is present to it.
    FirstEvent,
}

/// What becomes of a reaction whose command was refused.
///
/// # Example: what is closed already need not be closed
///
/// ```
/// use es_core::OnRejection;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("it is closed")]
/// struct Closed;
///
/// fn rejected(rejection: &(dyn std::error::Error + Send + Sync + 'static)) -> OnRejection {
///     if rejection.is::<Closed>() { OnRejection::Ignore } else { OnRejection::Fail }
/// }
/// assert_eq!(rejected(&Closed), OnRejection::Ignore);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRejection {
    /// The reaction has failed, and the policy says what becomes of its event. Commands behind this one are not executed.
    #[default]
    Fail,
    /// The refusal is fine, and the next command is executed.
    Ignore,
}
