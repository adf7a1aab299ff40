//! Tests of reactors: an event in, commands out.

use std::error::Error as StdError;
use std::fmt::Debug;

use uuid::Uuid;

use crate::aggregate::{Aggregate, stream_of};
use crate::event::{EncodedEvent, Event};
use crate::id::AsId;
use crate::metadata::{EventId, Metadata};
use crate::reactor::{IntoCommands, OnRejection, Reactor};
use crate::recorded::{Position, Recorded};
use crate::runner::guard::chain;
use crate::stream::{StreamId, Version};
use crate::testing::text::diff;
use crate::testing::{Stored, stored};
use crate::timestamp::Timestamp;

/// A reactor that an event is about to be shown to: [`when_reacting`] begins with it.
///
/// # Example: by whom, and when
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "order")]
/// # enum OrderEvent { Cancelled }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = OrderEvent, apply = apply)]
/// # struct Order;
/// # fn apply(_: &mut Order, _: OrderEvent) {}
/// # fn note(_: &Order, _: Note, _: &Context) -> Result<(), std::convert::Infallible> { Ok(()) }
/// # #[derive(Clone, Debug, PartialEq, Command)]
/// # #[command(aggregate = Order, handle = note, error = std::convert::Infallible)]
/// # struct Note { id: u32, text: String }
/// # struct Notes;
/// # impl es_core::Reactor for Notes {
/// #     const NAME: &'static str = "notes";
/// #     type Event = OrderEvent;
/// #     type Commands = Note;
/// #     fn react(&self, event: &es_core::Recorded<OrderEvent>) -> Note {
/// #         let by = event.metadata.actor.as_deref().unwrap_or("somebody");
/// #         Note { id: 7, text: format!("cancelled by {by} at {}", event.recorded_at) }
/// #     }
/// # }
/// use es_core::Metadata;
/// use es_core::testing::when_reacting;
///
/// when_reacting(&Notes)
///     .at("2026-11-21T12:00:00Z".parse()?)
///     .with_metadata(Metadata::default().with_actor("ada"))
///     .to::<Order>(7, OrderEvent::Cancelled)
///     .then(Note { id: 7, text: "cancelled by ada at 2026-11-21T12:00:00Z".into() });
/// # Ok::<(), es_core::InvalidTimestamp>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is tested before the commands are compared: go on with `to`"]
pub struct WhenReacting<'a, R> {
    reactor: &'a R,
    /// How many events it was shown.
    shown: u64,
    now: Timestamp,
    metadata: Metadata,
}

/// What follows from the event.
#[derive(Debug)]
pub struct Reacted<'a, R: Reactor> {
    when: WhenReacting<'a, R>,
    event: Recorded<R::Event>,
    event_type: &'static str,
    /// `None` where the reactor's filter leaves the event out.
    commands: Option<R::Commands>,
}

/// Begins with a reactor. Events that are shown to it one after the other are independent of each other, as a reactor
/// remembers nothing.
///
/// # Example: what is paid is shipped, and what is placed is not
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event, Reactor, Recorded};
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
/// # struct Parcel;
/// # fn apply(_: &mut Parcel, _: ParcelEvent) {}
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("it was sent before")]
/// # struct SentBefore;
/// # fn send(_: &Parcel, _: SendParcel, _: &Context) -> Result<ParcelEvent, SentBefore> { Ok(ParcelEvent::Sent) }
/// # #[derive(Clone, Debug, PartialEq, Command)]
/// # #[command(aggregate = Parcel, handle = send, error = SentBefore)]
/// # struct SendParcel { id: String }
/// # struct Shipping;
/// # impl Reactor for Shipping {
/// #     const NAME: &'static str = "shipping";
/// #     type Event = OrderEvent;
/// #     type Commands = Option<SendParcel>;
/// #     fn react(&self, event: &Recorded<OrderEvent>) -> Option<SendParcel> {
/// #         matches!(event.event, OrderEvent::Paid).then(|| SendParcel { id: event.stream.id().to_owned() })
/// #     }
/// # }
/// use es_core::testing::when_reacting;
///
/// when_reacting(&Shipping)
///     .to::<Order>("7", OrderEvent::Paid)
///     .then(Some(SendParcel { id: "7".into() }))
///     .then_rejection_fails(&SentBefore)
///     .to::<Order>("7", OrderEvent::Placed)
///     .then_nothing();
/// ```
pub fn when_reacting<R: Reactor>(reactor: &R) -> WhenReacting<'_, R> {
    WhenReacting { reactor, shown: 0, now: Timestamp::UNIX_EPOCH, metadata: Metadata::default() }
}

impl<'a, R: Reactor> WhenReacting<'a, R> {
    /// When the event was recorded. The default is the Unix epoch.
    pub fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The metadata of the event.
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Shows it an event of this aggregate, as it comes from a store: written and read again. Ids, versions and places count
    /// from 1.
    ///
    /// # Panics
    /// When the id cannot name a stream, and when the event cannot be written, or not be read as one of the reactor's.
    #[track_caller]
    #[must_use = "nothing is tested before the commands are compared: go on with `then`"]
    pub fn to<A: Aggregate>(mut self, id: impl AsId<A::Id>, event: A::Event) -> Reacted<'a, R> {
        let stream = match stream_of::<A>(id) {
            Ok(stream) => stream,
            Err(error) => panic!("there is no such stream: {}", chain(&error)),
        };
        let Stored { event_type, schema_version, payload } = stored(&event);
        self.shown += 1;
        let wanted = self.reactor.filter().allows(stream.category(), event_type);
        let read = R::Event::decode(EncodedEvent::new(stream.category(), event_type, schema_version, &payload));
        let event = match read {
            Ok(event) => self.recorded(stream, event),
            Err(error) => panic!("the reactor `{}` cannot read the event: {}", R::NAME, chain(&error)),
        };
        let commands = wanted.then(|| self.reactor.react(&event));
        Reacted { when: self, event, event_type, commands }
    }

    fn recorded(&self, stream: StreamId, event: R::Event) -> Recorded<R::Event> {
        Recorded {
            id: EventId(Uuid::from_u128(self.shown.into())),
            stream,
            version: Version(self.shown),
            position: Some(Position(self.shown)),
            recorded_at: self.now,
            metadata: self.metadata.clone(),
            event,
        }
    }
}

impl<'a, R: Reactor> Reacted<'a, R> {
    /// Expects these commands, and no others.
    ///
    /// # Panics
    /// When others follow, with a diff; and when the reactor does not see such events.
    #[track_caller]
    pub fn then(self, expected: R::Commands) -> Self
    where
        R::Commands: PartialEq + Debug,
    {
        match &self.commands {
            Some(actual) if *actual == expected => self,
            None if expected.is_nothing() => self,
            Some(actual) => {
                panic!("the reaction differs\n{}", diff(&format!("{expected:#?}\n"), &format!("{actual:#?}\n")))
            }
            None => panic!(
                "expected commands, but the filter of the reactor `{}` leaves out `{}`:\n{expected:#?}",
                R::NAME,
                self.event_type
            ),
        }
    }

    /// Expects no command.
    ///
    /// # Panics
    /// When a command follows.
    #[track_caller]
    pub fn then_nothing(self) -> Self
    where
        R::Commands: Debug,
    {
        match &self.commands {
            Some(commands) if !commands.is_nothing() => panic!("expected nothing, but this follows:\n{commands:#?}"),
            _ => self,
        }
    }

    /// Expects that this rejection of one of the commands is fine with the reactor.
    ///
    /// # Panics
    /// When it has the reaction fail.
    #[track_caller]
    pub fn then_rejection_is_ignored(self, rejection: &(dyn StdError + Send + Sync + 'static)) -> Self {
        self.then_on_rejection(rejection, OnRejection::Ignore)
    }

    /// Expects that this rejection of one of the commands has the reaction fail.
    ///
    /// # Panics
    /// When the reactor ignores it.
    #[track_caller]
    pub fn then_rejection_fails(self, rejection: &(dyn StdError + Send + Sync + 'static)) -> Self {
        self.then_on_rejection(rejection, OnRejection::Fail)
    }

    /// Goes on with another event.
    ///
    /// # Panics
    /// As [`WhenReacting::to`] does.
    #[track_caller]
    #[must_use = "nothing is tested before the commands are compared: go on with `then`"]
    pub fn to<A: Aggregate>(self, id: impl AsId<A::Id>, event: A::Event) -> Reacted<'a, R> {
        self.when.to::<A>(id, event)
    }

    #[track_caller]
    fn then_on_rejection(self, rejection: &(dyn StdError + Send + Sync + 'static), expected: OnRejection) -> Self {
        let actual = self.when.reactor.rejected(&self.event, rejection);
        assert!(actual == expected, "expected {expected:?} on the rejection {rejection:?}, but it is {actual:?}");
        self
    }
}
