//! Documents, asked for: by key, by page, by what their fields hold; as of now, or as of what one has just written.

mod rebuild;

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::aggregate::Aggregate;
use crate::document::{self, Document, decode};
use crate::error::Error;
use crate::execute::Outcome;
use crate::read_model::{DocumentQuery, InvalidProjection, ProjectionId, ReadModelStore};
use crate::recorded::Position;
use crate::runner::WaitError;
use crate::runner::wait::{self, OfCommand, Stops, Wanted};
use crate::store::EventStoreExt;

/// The documents of one type, to be asked for. See [`ReadModels::documents`].
///
/// # Example: one, several, all
///
/// ```
/// # use es_core::{Aggregate, Event};
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
/// # struct Statement { balance: u64 }
/// # impl es_core::Document for Statement {
/// #     const NAME: &'static str = "statement";
/// #     type Event = AccountEvent;
/// #     fn key(event: &es_core::Recorded<AccountEvent>) -> impl es_core::IntoKeys { event.stream.id() }
/// #     fn apply(&mut self, event: &es_core::Recorded<AccountEvent>) {
/// #         let AccountEvent::Deposited { amount } = event.event;
/// #         self.balance += amount;
/// #     }
/// # }
/// use es_core::{EventStoreExt, ExpectedVersion, ReadModels, Runner};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let running = Runner::new(store.clone()).document::<Statement>().start().await?;
/// for id in ["ada", "bob"] {
///     let deposited = AccountEvent::Deposited { amount: 5 };
///     store.append_events::<Account>(&id.to_owned(), ExpectedVersion::Any, deposited).await?;
/// }
/// running.catch_up().await?;
///
/// let statements = store.documents::<Statement>()?;
/// assert_eq!(statements.get("ada").await?.unwrap().balance, 5);
/// assert!(statements.get("eve").await?.is_none());
/// let page = statements.list(None, 10).await?;
/// assert_eq!(page.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
/// # running.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is read until documents are asked for"]
pub struct Documents<'a, S, D> {
    store: &'a S,
    id: ProjectionId,
    serving: bool,
    /// What is asked for, or why that cannot be.
    equal: Result<Vec<(&'static str, String)>, String>,
    document: PhantomData<fn() -> D>,
}

impl<'a, S: ReadModelStore, D: Document> Documents<'a, S, D> {
    fn new(store: &'a S) -> Result<Self, InvalidProjection> {
        let id = ProjectionId::new(D::NAME, D::VERSION)?;
        Ok(Self { store, id, serving: false, equal: Ok(Vec::new()), document: PhantomData })
    }

    /// Reads the version that [serves](ReadModelStore::serving) instead of the type's own: while a new version is built, the old
    /// one answers. The type must be able to read its documents. Each read costs one more question to the store.
    pub fn serving(self) -> Self {
        Self { serving: true, ..self }
    }

    /// Only documents whose `field`, at the top of their JSON, has this value: a text, a number or a truth value, or what is
    /// written as one, such as an enum without data. The field must be one of [`Document::INDEXED`]. Several filters
    /// all have to hold.
    ///
    /// A field that is indexed, and a value that fits, are asked for when the documents are [listed](Self::list).
    pub fn filter(self, field: &str, value: impl Serialize) -> Self {
        let equal = self.equal.and_then(|mut equal| {
            let known = D::INDEXED.iter().find(|indexed| **indexed == field);
            let known = known.ok_or_else(|| {
                format!("field `{field}` of `{}` is not indexed: name it in `Document::INDEXED`", self.id)
            })?;
            equal.push((*known, text_of(field, &value)?));
            Ok(equal)
        });
        Self { equal, ..self }
    }

    /// Waits, for at most 10 seconds, until the documents have taken in what a command has done, wherever they are kept
    /// current, so that what is read next shows it.
    ///
    /// # Errors
    /// [`WaitError`] when the time is up; and at once when they have not taken it in, and their projection has
    /// [stopped](WaitError::Stopped), is [paused](WaitError::Paused), or was never started; and when they have come there, and
    /// their projection has [parked](WaitError::Parked) the command's stream, or has [left out](WaitError::LeftOut) one of its
    /// events.
    pub async fn wait_for<A: Aggregate>(self, outcome: &Outcome<A>) -> Result<Self, WaitError> {
        match OfCommand::of(outcome) {
            Some(of_command) => self.take_in(Some(of_command), wait::DEFAULT_WAIT).await,
            None => Ok(self),
        }
    }

    /// Waits, for at most `deadline`, until the documents have taken in everything that is stored by now, but for what was left
    /// out or is parked: there are no streams that this wait knows of.
    ///
    /// # Errors
    /// As for [`wait_for`](Self::wait_for).
    pub async fn catch_up_within(self, deadline: Duration) -> Result<Self, WaitError> {
        self.take_in(None, deadline).await
    }

    async fn take_in(self, of_command: Option<OfCommand>, deadline: Duration) -> Result<Self, WaitError> {
        let wanted = Wanted::by_now(self.store, of_command).await?;
        wait::until(self.store, &[self.version().await?], &wanted, deadline, Stops::AreFinal).await?;
        Ok(self)
    }

    /// The document of `key`, if there is one. Filters make no difference to it.
    ///
    /// # Errors
    /// [`Error::Document`] for a document that does not fit its type, with its key and the version that was read: the type was
    /// changed without a new version; and the store's own failures.
    pub async fn get(&self, key: &str) -> Result<Option<D>, Error> {
        Ok(self.get_many([key]).await?.pop().flatten())
    }

    /// The documents of `keys`, in their order. Filters make no difference to them.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn get_many<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<D>>, Error> {
        let keys: Vec<String> = keys.into_iter().map(Into::into).collect();
        let version = self.version().await?;
        let found = self.store.get_documents(&version, &keys).await?;
        let read = |(key, json): (&String, Option<String>)| json.map(|json| decode(&version, key, &json)).transpose();
        Ok(keys.iter().zip(found).map(read).collect::<Result<_, _>>()?)
    }

    /// At most `limit` documents with their keys, in the order of the keys, from behind the key `after` on.
    ///
    /// # Errors
    /// As for [`get`](Self::get), and [`Error::Setup`] for a [filter](Self::filter) that cannot be.
    pub async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<(String, D)>, Error> {
        let equal = self.equal.clone().map_err(Error::setup)?;
        let query = DocumentQuery { after: after.map(str::to_owned), limit, equal };
        let version = self.version().await?;
        let found = self.store.list_documents(&version, &query).await?;
        let read = |(key, json): (String, String)| decode(&version, &key, &json).map(|document| (key, document));
        Ok(found.into_iter().map(read).collect::<Result<_, _>>()?)
    }

    async fn version(&self) -> Result<ProjectionId, Error> {
        let serving = if self.serving { self.store.serving(self.id.name()).await? } else { None };
        Ok(serving.unwrap_or_else(|| self.id.clone()))
    }
}

/// A value as it stands in the JSON, without the quotes of a text.
fn text_of(field: &str, value: &impl Serialize) -> Result<String, String> {
    let unfit = |error| format!("field `{field}` cannot be asked for this value: {error}");
    // As text, because that is how documents are written: a number changes when it becomes a `Value`, where it fits one.
    let json = serde_json::to_string(value).map_err(unfit)?;
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(&json).map_err(unfit),
        Some(b'{' | b'[' | b'n') | None => {
            Err(format!("field `{field}` cannot be asked for {json}: only for a text, a number or a truth value"))
        }
        Some(_) => Ok(json),
    }
}

/// What a caller enjoys of read models, on every store that keeps them.
pub trait ReadModels: ReadModelStore + Sized {
    /// The documents of type `D`, as the runner has folded them so far.
    ///
    /// # Errors
    /// [`InvalidProjection`] for a name that no read model can have.
    fn documents<D: Document>(&self) -> Result<Documents<'_, Self, D>, InvalidProjection> {
        Documents::new(self)
    }

    /// Folds the whole log into the document of one key, without storing anything: what the document would be now.
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, and the store's own failures.
    fn fold_document<D: Document>(&self, key: &str) -> impl Future<Output = Result<Option<D>, Error>> + Send {
        async move {
            let mut document = None::<D>;
            let mut log = self.log::<D::Event>(Position::START).filter(D::filter());
            while let Some(event) = log.next().await? {
                document::take_in(&mut document, key, &event);
            }
            Ok(document)
        }
    }

    /// Builds the document of one key anew, from the first event up to where its projection is, and puts it in the place of the
    /// one that is there. Whoever runs the projection goes on from there; no event is lost or counted twice. Events that
    /// wait behind a dead letter, or were left out, stay out.
    ///
    /// It reads all of the log that the documents are made of, and holds the projection up only at the end, for what was
    /// stored meanwhile.
    ///
    /// # Errors
    /// [`Error::Decode`] for an event that cannot be read, [`Error::Document`] for a document that could not be read again,
    /// [`Error::Setup`] for a key or a name that cannot be, and for a store that has
    /// [one connection only](ReadModelStore::reads_beside_transactions), [`Error::Store`] when the projection was never started, and
    /// the store's own failures.
    fn rebuild_document<D: Document>(&self, key: &str) -> impl Future<Output = Result<Option<D>, Error>> + Send {
        rebuild::rebuild(self, key)
    }
}

impl<S: ReadModelStore> ReadModels for S {}
