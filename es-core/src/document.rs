//! Documents: read models that are a folded value for each key, and need no SQL.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::BoxError;
use crate::event::Event;
use crate::projection::Batch;
use crate::read_model::{ProjectionId, ReadModelTransaction};
use crate::recorded::Recorded;
use crate::store::EventFilter;
use crate::stream::StreamId;

/// The longest key of a document, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

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
    /// The fields that queries may ask for, by their names at the top of the document's JSON. By default none.
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

    /// Which events are of interest. The store filters. By default all of the categories of [`Event`](Self::Event).
    fn filter() -> EventFilter {
        EventFilter::of::<Self::Event>()
    }
}

/// What names the documents that an event changes.
///
/// Implemented for texts, a [`StreamId`], `Option` and `Vec` of texts, and `()` for none.
///
/// # Example: an event that concerns two accounts
///
/// ```
/// use es_core::IntoKeys;
///
/// fn both(from: &str, to: &str) -> impl IntoKeys {
///     vec![from.to_owned(), to.to_owned()]
/// }
/// assert_eq!(both("ada", "bob").into_keys(), ["ada", "bob"]);
/// assert!(None::<String>.into_keys().is_empty());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name documents",
    label = "cannot become keys",
    note = "return a `String`, a `&str`, a `StreamId`, an `Option` or a `Vec` of texts, or `()` for none"
)]
pub trait IntoKeys {
    /// The keys. One that occurs twice counts once.
    fn into_keys(self) -> Vec<String>;
}

macro_rules! one_key {
    ($($type:ty)*) => {$(
        impl IntoKeys for $type {
            fn into_keys(self) -> Vec<String> {
                vec![self.into()]
            }
        }
    )*};
}

one_key! { &str String Cow<'_, str> }

impl IntoKeys for &StreamId {
    fn into_keys(self) -> Vec<String> {
        vec![self.to_string()]
    }
}

impl IntoKeys for () {
    fn into_keys(self) -> Vec<String> {
        Vec::new()
    }
}

impl<T: Into<String>> IntoKeys for Option<T> {
    fn into_keys(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<String>> IntoKeys for Vec<T> {
    fn into_keys(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

/// A key that no store can hold.
#[derive(Debug, thiserror::Error)]
#[error("a document's key has 1 to {MAX_KEY_BYTES} bytes and no NUL; this one has {bytes} bytes: {beginning:?}")]
pub(crate) struct InvalidKey {
    bytes: usize,
    beginning: String,
}

/// Folds a batch into its documents. Others may write them at the same time when they are `shared`.
pub(crate) async fn fold_batch<D: Document, T: ReadModelTransaction>(
    id: &ProjectionId,
    shared: bool,
    batch: &Batch<'_, D::Event>,
    transaction: &mut T,
) -> Result<(), BoxError> {
    let mut folding = Folding::<D>::of(batch)?;
    if folding.keys.is_empty() {
        return Ok(());
    }
    if shared {
        transaction.lock_documents(id, &folding.keys).await?;
    }
    let stored = transaction.load_documents(id, &folding.keys).await?;
    folding.take_stored(id, stored)?;
    let changed = folding.fold(batch)?;
    Ok(transaction.save_documents(id, &changed).await?)
}

/// The documents that a batch changes, each with a number. One that is not there, or not there any more, is `None`.
struct Folding<D> {
    keys: Vec<String>,
    documents: Vec<Option<D>>,
    /// For each event the numbers of its documents.
    changes: Vec<Vec<usize>>,
}

impl<D: Document> Folding<D> {
    fn of(batch: &Batch<'_, D::Event>) -> Result<Self, BoxError> {
        let (mut keys, mut numbers) = (Vec::new(), HashMap::new());
        let mut changes = Vec::with_capacity(batch.len());
        for event in batch {
            let mut of_event = Vec::new();
            for key in D::key(event).into_keys() {
                check_key(&key)?;
                let number = *numbers.entry(key).or_insert_with_key(|key: &String| {
                    keys.push(key.clone());
                    keys.len() - 1
                });
                if !of_event.contains(&number) {
                    of_event.push(number);
                }
            }
            changes.push(of_event);
        }
        Ok(Self { keys, documents: Vec::new(), changes })
    }

    fn take_stored(&mut self, id: &ProjectionId, stored: Vec<Option<String>>) -> Result<(), Undecodable> {
        let read = |json: Option<String>| json.map(|json| decode(id, &json)).transpose();
        self.documents = stored.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn fold(mut self, batch: &Batch<'_, D::Event>) -> Result<Vec<(String, Option<String>)>, BoxError> {
        for (event, numbers) in batch.into_iter().zip(&self.changes) {
            for &number in numbers {
                let (Some(slot), Some(key)) = (self.documents.get_mut(number), self.keys.get(number)) else { continue };
                apply(slot, key, event);
            }
        }
        let write = |document: Option<D>| document.map(|document| serde_json::to_string(&document)).transpose();
        let documents = self.documents.into_iter().map(write).collect::<Result<Vec<_>, _>>()?;
        Ok(self.keys.into_iter().zip(documents).collect())
    }
}

pub(crate) fn check_key(key: &str) -> Result<(), InvalidKey> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) && !key.contains('\0') {
        return Ok(());
    }
    Err(InvalidKey { bytes: key.len(), beginning: key.chars().take(40).collect() })
}

/// Has the document of `key` take in the event, if the event is about it.
pub(crate) fn take_in<D: Document>(document: &mut Option<D>, key: &str, event: &Recorded<D::Event>) {
    if D::key(event).into_keys().iter().any(|of_event| of_event == key) {
        apply(document, key, event);
    }
}

/// A document that is deleted goes at once, so that a later event begins anew, whether it comes in the same batch or not.
fn apply<D: Document>(document: &mut Option<D>, key: &str, event: &Recorded<D::Event>) {
    let folded = document.get_or_insert_default();
    folded.apply_as(key, event);
    if folded.is_deleted() {
        *document = None;
    }
}

/// Reads a stored document.
pub(crate) fn decode<D: Document>(id: &ProjectionId, json: &str) -> Result<D, Undecodable> {
    serde_json::from_str(json).map_err(|source| Undecodable { id: id.clone(), source })
}

/// A stored document that its type cannot read.
#[derive(Debug, thiserror::Error)]
#[error("a document of `{id}` does not fit its type any more: give the type a new version, so that it is built anew")]
pub(crate) struct Undecodable {
    id: ProjectionId,
    source: serde_json::Error,
}
