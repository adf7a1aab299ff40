//! Projectors: what a domain team writes to keep a read model current.

use std::fmt;
use std::future::Future;
use std::ops::Deref;

use crate::error::BoxError;
use crate::event::Event;
use crate::recorded::{Position, Recorded};
use crate::store::EventFilter;

/// Keeps a read model current, event by event or batch by batch.
///
/// A [`Runner`](crate::Runner) calls it inside a transaction of the store. What it writes through `target` is committed
/// together with the checkpoint, so each event takes effect exactly once, whatever crashes. Effects elsewhere, a mail or
/// another database, take place at least once; the event's id tells a repeat.
///
/// Where the read model is just a value for each key, a [`Document`](crate::Document) needs no SQL at all.
///
/// # Example: balances in a table of your own
///
/// ```
/// # use es_core::Event;
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: i64 }, Withdrawn { amount: i64 } }
/// use es_core::{BoxError, Projector, Recorded};
/// use es_memory::{TableError, Tables};
///
/// struct Balances;
///
/// impl Projector for Balances {
///     const NAME: &'static str = "balances";
///     type Event = AccountEvent;
///     type Target = Tables;
///     type Error = TableError;
///
///     async fn project(&self, event: &Recorded<AccountEvent>, tables: &mut Tables) -> Result<(), TableError> {
///         let before: i64 = tables.get("balances", event.stream.id())?.unwrap_or(0);
///         let after = match event.event {
///             AccountEvent::Deposited { amount } => before + amount,
///             AccountEvent::Withdrawn { amount } => before - amount,
///         };
///         tables.put("balances", event.stream.id(), &after)
///     }
///
///     async fn clear(&self, tables: &mut Tables) -> Result<(), BoxError> {
///         tables.clear("balances");
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projector",
    label = "not a projector",
    note = "implement `Projector` for it, or implement `Document` and add it with `document::<{Self}>()`"
)]
pub trait Projector: Send + Sync + 'static {
    /// Names the read model for ever: its checkpoint is kept under it. Lower-case letters, digits and `_`.
    const NAME: &'static str;
    /// The version of the read model. Another version is another read model with a checkpoint of its own, built from the
    /// first event on.
    const VERSION: u32 = 1;
    /// The events it wants to see: those of one aggregate, or a union of several.
    type Event: Event;
    /// What it writes to: `es_memory::Tables`, or the store's own connection, such as `sqlx::PgConnection`.
    type Target: Send;
    /// What can go wrong.
    type Error: Into<BoxError> + Send;

    /// Which events it wants to see. The store filters. By default all of the categories of [`Event`](Self::Event), so that an
    /// event of an unknown type is met, and not skipped. Asked once, when the projection is started, and refused if it names a
    /// category or a type that the events do not have.
    fn filter(&self) -> EventFilter {
        EventFilter::of::<Self::Event>()
    }

    /// Takes in one event.
    ///
    /// # Errors
    /// Whatever went wrong. Nothing of the batch is committed then; see [`OnFailure`](crate::OnFailure) for what follows.
    fn project(
        &self,
        event: &Recorded<Self::Event>,
        target: &mut Self::Target,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Takes in a batch, in order. By default one event after the other; one statement for the whole batch is an order of
    /// magnitude faster.
    ///
    /// # Errors
    /// As for [`project`](Self::project).
    fn project_batch(
        &self,
        batch: &Batch<'_, Self::Event>,
        target: &mut Self::Target,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async move {
            for event in batch {
                self.project(event, target).await?;
            }
            Ok(())
        }
    }

    /// Removes everything it has written, so that it can be built again from the first event on. By default a rebuild is
    /// refused: building on top of what is there would count everything twice.
    ///
    /// # Errors
    /// Whatever went wrong. Nothing is removed then, and the rebuild does not begin.
    fn clear(&self, target: &mut Self::Target) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = target;
        async { Err(BoxError::from(NotPrepared { name: Self::NAME, wanted: "rebuilt in place", method: "clear" })) }
    }

    /// Prepares to take in again whatever comes behind the place `to`: removes what those events have changed, or nothing, where
    /// taking an event in twice does no harm. By default going back is refused.
    ///
    /// # Errors
    /// Whatever went wrong. Nothing is removed then, and it does not go back.
    fn rewind(&self, to: Position, target: &mut Self::Target) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = (to, target);
        async { Err(BoxError::from(NotPrepared { name: Self::NAME, wanted: "rewound", method: "rewind" })) }
    }

    /// Called before the first event of history, in the transaction that takes it in: the place to drop what slows down writing
    /// much. Where the log was empty when the projection was first started there is no history, and no call. A divided
    /// projection is called once for each part.
    ///
    /// # Errors
    /// As for [`project`](Self::project).
    fn replay_begins(&self, target: &mut Self::Target) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = target;
        async { Ok(()) }
    }

    /// Called when all history was taken in, in the transaction that moves the checkpoint past it. See
    /// [`replay_begins`](Self::replay_begins).
    ///
    /// # Errors
    /// As for [`project`](Self::project).
    fn replay_ends(&self, target: &mut Self::Target) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = target;
        async { Ok(()) }
    }
}

/// A projector that does not say how to remove what it has written.
#[derive(Debug, thiserror::Error)]
#[error("projection `{name}` cannot be {wanted}: implement `Projector::{method}`, or give it a new version")]
pub(crate) struct NotPrepared {
    name: &'static str,
    wanted: &'static str,
    method: &'static str,
}

/// Events that are taken in together, in log order.
///
/// # Example: leave out what only makes sense once
///
/// ```
/// use es_core::{Batch, Event, Recorded};
///
/// fn worth_a_mail<'a, E: Event>(batch: &'a Batch<'_, E>) -> &'a [Recorded<E>] {
///     if batch.is_replay() { &[] } else { batch }
/// }
/// ```
pub struct Batch<'a, E> {
    events: &'a [Recorded<E>],
    replay: bool,
}

impl<'a, E> Batch<'a, E> {
    pub(crate) fn new(events: &'a [Recorded<E>], replay: bool) -> Self {
        Self { events, replay }
    }

    /// Some of its events.
    pub(crate) fn part(&self, events: &'a [Recorded<E>]) -> Self {
        Self { events, ..*self }
    }

    /// Its events behind a place.
    pub(crate) fn behind(&self, place: Position) -> Self {
        let passed = self.events.partition_point(|event| event.position <= Some(place));
        self.part(self.events.get(passed..).unwrap_or_default())
    }

    /// The events themselves, which live longer than the batch.
    pub(crate) fn events(&self) -> &'a [Recorded<E>] {
        self.events
    }

    /// Whether these events had happened before the read model was first started, or before its rebuild began. They are
    /// history then: what should happen once, such as a mail, has happened, or was not wanted at the time.
    pub fn is_replay(&self) -> bool {
        self.replay
    }
}

impl<E> Deref for Batch<'_, E> {
    type Target = [Recorded<E>];

    fn deref(&self) -> &[Recorded<E>] {
        self.events
    }
}

impl<'b, E> IntoIterator for &'b Batch<'_, E> {
    type Item = &'b Recorded<E>;
    type IntoIter = std::slice::Iter<'b, Recorded<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.iter()
    }
}

impl<E> fmt::Debug for Batch<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("events", &self.events.len()).field("replay", &self.replay).finish()
    }
}
