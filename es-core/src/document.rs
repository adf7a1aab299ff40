//! Documents: read models that are a folded value for each key, and need no SQL.

mod fold;
mod index;
mod key;
mod text;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::Event;
use crate::recorded::Recorded;
use crate::store::EventFilter;

pub(crate) use fold::{fold_batch, take_in};
pub use index::InvalidIndex;
pub(crate) use index::check_index;
pub use key::{IntoKeys, MAX_KEY_BYTES};
pub(crate) use key::{InvalidKey, check_key};
pub use text::DocumentError;
pub(crate) use text::{decode, encode};

/// A value that is folded from events and kept under a key: a read model without SQL, on every store.
///
/// The key may come from any field of an event, and from events of several aggregates. A [`Runner`](crate::Runner) loads the
/// documents of a whole batch, folds them in memory and writes them back at once. Mostly the derive of the same name writes the
/// implementation.
///
/// # Example: a statement for each account
///
/// ```
/// # use es_core::Event;
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Opened { owner: String }, Deposited { amount: u64 }, Closed }
/// use es_core::{Document, IntoKeys, Recorded};
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// struct Statement {
///     balance: u64,
///     movements: u32,
///     closed: bool,
/// }
///
/// impl Document for Statement {
///     const NAME: &'static str = "statement";
///     type Event = AccountEvent;
///
///     fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
///         event.stream.id()
///     }
///
///     fn apply(&mut self, event: &Recorded<AccountEvent>) {
///         match &event.event {
///             AccountEvent::Opened { .. } => {}
///             AccountEvent::Deposited { amount } => {
///                 self.balance += amount;
///                 self.movements += 1;
///             }
///             AccountEvent::Closed => self.closed = true,
///         }
///     }
///
///     fn is_deleted(&self) -> bool {
///         self.closed
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a document",
    label = "not a document",
    note = "derive it with `#[derive(Document)]` and `#[document(event = TheEvent, apply = path::to_function)]`, or implement it"
)]
pub trait Document: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Names the documents for ever: their table and their checkpoint. Lower-case letters, digits and `_`.
    const NAME: &'static str;
    /// The version of the documents' shape and meaning. Another version is built beside this one, from the first event on.
    const VERSION: u32 = 1;
    /// The fields that queries may ask for, by their names at the top of the document's JSON. By default none. Each holds a text,
    /// a number or a truth value. One that holds a list, a map or a struct from the start on is [refused](InvalidIndex) when the
    /// documents are started, because no filter would find it.
    const INDEXED: &'static [&'static str] = &[];
    /// The events they are folded from: those of one aggregate, or a union of several.
    type Event: Event;

    /// Which documents the event changes: one, several, or none. See [`IntoKeys`] for what can be returned.
    fn key(event: &Recorded<Self::Event>) -> impl IntoKeys;

    /// Takes in what has happened. It cannot fail: the event is a fact already.
    fn apply(&mut self, event: &Recorded<Self::Event>);

    /// Takes in what has happened, where it matters which of the event's documents this is: of a transfer, the sender's or the
    /// receiver's. By default the key makes no difference.
    fn apply_as(&mut self, key: &str, event: &Recorded<Self::Event>) {
        let _ = key;
        self.apply(event);
    }

    /// Whether the document is to be removed, asked after each event. A later event of its key begins with the
    /// default again.
    fn is_deleted(&self) -> bool {
        false
    }

    /// Which events are of interest. The store filters. By default all of the categories of [`Event`](Self::Event). A name of a
    /// category or a type that the events do not have is refused when the documents are started.
    fn filter() -> EventFilter {
        EventFilter::of::<Self::Event>()
    }
}
