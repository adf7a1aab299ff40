//! Aggregates: the pure heart. State, and how events change it.

use crate::cache::Caching;
use crate::error::Error;
use crate::event::AggregateEvent;
use crate::id::{AggregateId, AsId};
use crate::snapshot::Snapshots;
use crate::stream::{StreamId, Version};

/// State that is decided upon, rebuilt from the events of one stream. `Default` is the state before the first event.
///
/// Implement it by hand with one exhaustive match, or derive it: `#[derive(Aggregate)]` with
/// `#[aggregate(id = …, event = …)]` sends each event to [`Apply`], or to the function that `apply = …` names.
///
/// # Example: by hand
///
/// ```
/// use es_core::{Aggregate, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "account")]
/// enum AccountEvent {
///     Deposited { amount: u64 },
///     Withdrawn { amount: u64 },
/// }
///
/// #[derive(Default)]
/// struct Account { balance: u64 }
///
/// impl Aggregate for Account {
///     type Id = String;
///     type Event = AccountEvent;
///
///     fn apply(&mut self, event: AccountEvent) {
///         match event {
///             AccountEvent::Deposited { amount } => self.balance += amount,
///             AccountEvent::Withdrawn { amount } => self.balance -= amount,
///         }
///     }
/// }
///
/// let mut account = Account::default();
/// account.apply(AccountEvent::Deposited { amount: 5 });
/// assert_eq!(account.balance, 5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "not an aggregate",
    note = "implement `Aggregate` by hand, or put `#[derive(Aggregate, Default)]` and `#[aggregate(id = …, event = …)]` on it"
)]
pub trait Aggregate: Default + Send + Sync + 'static {
    /// What tells one aggregate of the kind from another.
    type Id: AggregateId;
    /// Everything that can happen to it.
    type Event: AggregateEvent;

    /// Takes in what has happened. It cannot fail: the event is a fact already.
    fn apply(&mut self, event: Self::Event);

    /// When snapshots are taken, and in which version of the state. By default none are, and nothing is asked of the
    /// state's type.
    fn snapshots() -> Snapshots<Self> {
        Snapshots::never()
    }

    /// Whether the next command may begin with a copy of the state that the one before has led to. By default it may not, and nothing is
    /// asked of the state's type. The derive hands it on [while the aggregate is busy](Caching::while_busy), where the type is `Clone`.
    fn caching() -> Caching<Self> {
        Caching::never()
    }
}

/// Takes in one event, where each is a type of its own. [`derive(Aggregate)`](Aggregate) calls it.
///
/// # Example: one small function for each event
///
/// ```
/// use es_core::{Aggregate, Apply, Event};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct OrderPlaced { lines: u32 }
/// #[derive(Serialize, Deserialize)]
/// struct OrderPaid;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(category = "order")]
/// enum OrderEvent { Placed(OrderPlaced), Paid(OrderPaid) }
///
/// #[derive(Aggregate, Default)]
/// #[aggregate(id = u64, event = OrderEvent)]
/// struct Order { lines: u32, paid: bool }
///
/// impl Apply<OrderPlaced> for Order {
///     fn apply(&mut self, event: OrderPlaced) { self.lines = event.lines }
/// }
/// impl Apply<OrderPaid> for Order {
///     fn apply(&mut self, _: OrderPaid) { self.paid = true }
/// }
///
/// let mut order = Order::default();
/// Aggregate::apply(&mut order, OrderPlaced { lines: 2 }.into());
/// Aggregate::apply(&mut order, OrderPaid.into());
/// assert!(order.paid && order.lines == 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how `{E}` changes it",
    label = "no `Apply<{E}>` for this aggregate",
    note = "write `impl Apply<{E}> for {Self} {{ fn apply(&mut self, event: {E}) {{ … }} }}`"
)]
pub trait Apply<E> {
    /// Takes in what has happened.
    fn apply(&mut self, event: E);
}

/// Sends an event to the [`Apply`] that is written for it. The `Event` derive implements it.
///
/// An enum that is composed of event structs sends each to its own `Apply`; any other enum goes whole to
/// `Apply<TheEnum>`.
///
/// # Example: what the derives write for you
///
/// ```
/// use es_core::{Apply, Dispatch, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "door")]
/// enum DoorEvent { Opened, Closed }
///
/// struct Door { open: bool }
/// impl Apply<DoorEvent> for Door {
///     fn apply(&mut self, event: DoorEvent) { self.open = matches!(event, DoorEvent::Opened) }
/// }
///
/// let mut door = Door { open: false };
/// DoorEvent::Opened.dispatch(&mut door);
/// assert!(door.open);
/// ```
pub trait Dispatch<A: ?Sized> {
    /// Has `aggregate` take the event in.
    fn dispatch(self, aggregate: &mut A);
}

/// The name of the stream that holds the aggregate's events.
pub(crate) fn stream_of<A: Aggregate>(id: impl AsId<A::Id>) -> Result<StreamId, Error> {
    Ok(StreamId::new(A::Event::CATEGORY, id.as_text())?)
}

/// An aggregate as it stands in the store.
///
/// # Example: an id that nobody has used
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Default)]
/// # struct Account { balance: u64 }
/// # impl Aggregate for Account {
/// #     type Id = String;
/// #     type Event = AccountEvent;
/// #     fn apply(&mut self, event: AccountEvent) { let AccountEvent::Deposited { amount } = event; self.balance += amount; }
/// # }
/// use es_core::{EventStoreExt, ExpectedVersion};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_core::Error> {
/// let store = MemoryStore::new();
/// assert!(!store.load::<Account>("ada").await?.exists());
///
/// store.append_events::<Account>("ada", ExpectedVersion::NoStream, AccountEvent::Deposited { amount: 5 }).await?;
/// let account = store.load::<Account>("ada").await?;
/// assert_eq!(account.version.0, 1);
/// assert_eq!(account.balance, 5); // the state's fields are at hand
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded<A> {
    /// The stream its events are in.
    pub stream: StreamId,
    /// How many events made it what it is. [`Version::NONE`] if there are none.
    pub version: Version,
    /// What they made of it.
    pub state: A,
}

impl<A> Loaded<A> {
    pub(crate) fn new(stream: StreamId, version: Version, state: A) -> Self {
        Self { stream, version, state }
    }

    /// Whether anything ever happened to it.
    pub fn exists(&self) -> bool {
        self.version > Version::NONE
    }
}

/// Without the state, so that it does not have to be `Debug`.
impl<A> std::fmt::Debug for Loaded<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("stream", &self.stream).field("version", &self.version).finish_non_exhaustive()
    }
}

impl<A> std::ops::Deref for Loaded<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.state
    }
}
