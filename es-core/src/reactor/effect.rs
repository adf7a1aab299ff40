//! Effects: what follows from an event outside of any store.

use std::future::Future;

use crate::error::BoxError;
use crate::event::Event;
use crate::metadata::EventId;
use crate::reactor::BeginsAt;
use crate::recorded::Recorded;
use crate::store::EventFilter;

/// Does what follows from an event where it is not a command: a mail, a payment, a message to another system.
///
/// It takes place **at least once**: nothing can tell whether the mail went out when the process died a moment later. So the event's
/// id comes along as a token, the same one at every try, for whoever recognises repeats: the idempotency key of a payment, the id
/// of a message. Where two effects ask one service about one event, put their names into the key as well. The checkpoint is
/// moved after each event, so that no more than the one that was under way is repeated.
///
/// It is run like a [`Reactor`](crate::Reactor), with the same policy for failures: it is silent about history, and cannot be
/// rebuilt or rewound. Commands that it executes, on a store it keeps for that, carry on the conversation of the event by
/// themselves; give them an idempotency key that holds the token, and they take effect once.
///
/// # Example: a mail, which is not sent twice
///
/// ```
/// # use es_core::{Aggregate, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "order")]
/// # enum OrderEvent { Placed { mail: String } }
/// # #[derive(Default)]
/// # struct Order;
/// # impl Aggregate for Order {
/// #     type Id = String;
/// #     type Event = OrderEvent;
/// #     fn apply(&mut self, _: OrderEvent) {}
/// # }
/// # #[derive(Clone, Default)]
/// # struct Mailer(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
/// # impl Mailer {
/// #     async fn send(&self, id: String, to: &str) -> std::io::Result<()> {
/// #         let _ = id;
/// #         self.0.lock().unwrap().push(to.to_owned());
/// #         Ok(())
/// #     }
/// # }
/// use es_core::{Effect, EventId, EventStoreExt, ExpectedVersion, Recorded, Runner};
///
/// struct Confirmation(Mailer);
///
/// impl Effect for Confirmation {
///     const NAME: &'static str = "confirmation";
///     type Event = OrderEvent;
///     type Error = std::io::Error;
///
///     async fn perform(&self, event: &Recorded<OrderEvent>, token: EventId) -> std::io::Result<()> {
///         let OrderEvent::Placed { mail } = &event.event;
///         self.0.send(token.to_string(), mail).await // the mailer drops a message whose id it has seen
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, mailer) = (es_memory::MemoryStore::new(), Mailer::default());
/// let running = Runner::new(store.clone()).effect(Confirmation(mailer.clone())).start().await?;
///
/// let placed = OrderEvent::Placed { mail: "ada@example.org".into() };
/// store.append_events::<Order>("7", ExpectedVersion::Any, placed).await?;
/// running.catch_up().await?;
/// assert_eq!(*mailer.0.lock().unwrap(), ["ada@example.org"]);
/// running.stop().await;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an effect",
    label = "not an effect",
    note = "implement `Effect` for it, or implement `Reactor` and add it with `react`"
)]
pub trait Effect: Send + Sync + 'static {
    /// Names the effect for ever: its checkpoint is kept under it. Lower-case letters, digits and `_`.
    const NAME: &'static str;
    /// Where it begins when it is started for the first time. The default is [`BeginsAt::Present`].
    const BEGINS: BeginsAt = BeginsAt::Present;
    /// The events it wants to see: those of one aggregate, or a union of several.
    type Event: Event;
    /// What can go wrong.
    type Error: Into<BoxError> + Send;

    /// Which events it wants to see. The store filters. By default all of the categories of [`Event`](Self::Event), so that an
    /// event of an unknown type is met, and not skipped.
    fn filter(&self) -> EventFilter {
        EventFilter::of::<Self::Event>()
    }

    /// Does it. `token` is the id of the event, and the same at every try.
    ///
    /// # Errors
    /// Whatever went wrong. It is tried again, and then the policy decides; see [`OnFailure`](crate::OnFailure).
    fn perform(
        &self,
        event: &Recorded<Self::Event>,
        token: EventId,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
