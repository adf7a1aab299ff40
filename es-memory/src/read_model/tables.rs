//! Tables: JSON under string keys, which projectors write to and documents are kept in.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::read_model::Kept;

/// What a projector writes to: tables of JSON values under string keys, inside the runner's transaction.
///
/// A table is there as soon as something is put into it. Reads see what this transaction has written, and otherwise what is
/// committed. Two projections that write to one table are not kept apart: give each its own.
///
/// # Example: a balance for each account
///
/// ```
/// # use es_core::{Aggregate, Event, EventStoreExt, ExpectedVersion, Projector, Recorded, Runner};
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
/// use es_memory::{MemoryStore, TableError, Tables};
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
///         let AccountEvent::Deposited { amount } = event.event;
///         let before: u64 = tables.get("balances", event.stream.id())?.unwrap_or(0);
///         tables.put("balances", event.stream.id(), &(before + amount))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let running = Runner::new(store.clone()).add(Balances).start().await?;
/// let deposited = [AccountEvent::Deposited { amount: 5 }, AccountEvent::Deposited { amount: 2 }];
/// store.append_events::<Account>(&"ada".to_owned(), ExpectedVersion::Any, deposited).await?;
/// running.catch_up().await?;
/// assert_eq!(store.table::<u64>("balances").get("ada")?, Some(7));
/// # Ok(())
/// # }
/// ```
pub struct Tables {
    kept: Arc<Kept>,
    changed: BTreeMap<String, Changes>,
}

/// What a transaction does to a table.
#[derive(Default)]
struct Changes {
    /// Whether everything that is committed is to go.
    cleared: bool,
    rows: BTreeMap<String, Option<Arc<str>>>,
}

/// The rows of a table, as JSON text.
pub(crate) type Rows = BTreeMap<String, Arc<str>>;

impl Tables {
    pub(crate) fn new(kept: Arc<Kept>) -> Self {
        Self { kept, changed: BTreeMap::new() }
    }

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// [`TableError`] for a value that is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, table: &str, key: &str) -> Result<Option<T>, TableError> {
        self.text(table, key).map(|json| decode(table, key, &json)).transpose()
    }

    /// Puts a value in the place of the one that is there.
    ///
    /// # Errors
    /// [`TableError`] for a value that cannot be written as JSON, numbers that are not finite included: those would be read as
    /// `None`, or not at all.
    pub fn put<T: Serialize + ?Sized>(&mut self, table: &str, key: &str, value: &T) -> Result<(), TableError> {
        let json = es_core::__private::to_json(value).map_err(|source| TableError::new(table, key, source))?;
        self.set(table, key, Some(json.into()));
        Ok(())
    }

    /// Removes a value, if it is there.
    pub fn remove(&mut self, table: &str, key: &str) {
        self.set(table, key, None);
    }

    /// Removes all values of a table.
    pub fn clear(&mut self, table: &str) {
        self.changed.insert(table.to_owned(), Changes { cleared: true, rows: BTreeMap::new() });
    }

    /// All values with their keys, in the order of the keys.
    ///
    /// # Errors
    /// [`TableError`] for a value that is not a `T`.
    pub fn list<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<(String, T)>, TableError> {
        let mut rows = match self.changed.get(table) {
            Some(Changes { cleared: true, .. }) => Rows::new(),
            _ => self.kept.rows(table),
        };
        if let Some(changes) = self.changed.get(table) {
            changes.make_in(&mut rows);
        }
        decode_all(table, rows)
    }

    /// The text of a row, as this transaction sees it.
    pub(crate) fn text(&self, table: &str, key: &str) -> Option<Arc<str>> {
        let changes = self.changed.get(table);
        match changes.and_then(|changes| changes.rows.get(key)) {
            Some(row) => row.clone(),
            None if changes.is_some_and(|changes| changes.cleared) => None,
            None => self.kept.row(table, key),
        }
    }

    pub(crate) fn set(&mut self, table: &str, key: &str, row: Option<Arc<str>>) {
        // Looked up first, because the table is nearly always there, and its name need not be copied then.
        if !self.changed.contains_key(table) {
            self.changed.insert(table.to_owned(), Changes::default());
        }
        if let Some(changes) = self.changed.get_mut(table) {
            changes.rows.insert(key.to_owned(), row);
        }
    }

    /// Makes the changes in what is committed.
    pub(crate) fn make_in(self, tables: &mut BTreeMap<String, Rows>) {
        for (table, changes) in self.changed {
            let rows = tables.entry(table).or_default();
            if changes.cleared {
                rows.clear();
            }
            changes.make_in(rows);
        }
    }
}

impl Changes {
    fn make_in(&self, rows: &mut Rows) {
        for (key, row) in &self.rows {
            match row {
                Some(json) => rows.insert(key.clone(), Arc::clone(json)),
                None => rows.remove(key),
            };
        }
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("changed", &self.changed.keys()).finish_non_exhaustive()
    }
}

/// The committed values of one table. See [`MemoryStore::table`](crate::MemoryStore::table).
///
/// # Example: an empty one
///
/// ```
/// let store = es_memory::MemoryStore::new();
/// let balances = store.table::<u64>("balances");
/// assert_eq!(balances.get("ada")?, None);
/// assert!(balances.list()?.is_empty());
/// # Ok::<(), es_memory::TableError>(())
/// ```
#[derive(Clone)]
pub struct Table<T> {
    kept: Arc<Kept>,
    name: String,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Table<T> {
    pub(crate) fn new(kept: Arc<Kept>, name: String) -> Self {
        Self { kept, name, value: PhantomData }
    }

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// [`TableError`] for a value that is not a `T`.
    pub fn get(&self, key: &str) -> Result<Option<T>, TableError> {
        self.kept.row(&self.name, key).map(|json| decode(&self.name, key, &json)).transpose()
    }

    /// All values with their keys, in the order of the keys.
    ///
    /// # Errors
    /// [`TableError`] for a value that is not a `T`.
    pub fn list(&self) -> Result<Vec<(String, T)>, TableError> {
        decode_all(&self.name, self.kept.rows(&self.name))
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A value that cannot be written as JSON, or is not what was asked for.
///
/// # Example: a text where a number is expected
///
/// ```
/// fn advice(error: &es_memory::TableError) -> String {
///     format!("give the read model a new version: {error}")
/// }
/// # let _ = advice;
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the value of {key:?} in table `{table}` does not fit its type")]
pub struct TableError {
    table: String,
    key: String,
    source: serde_json::Error,
}

impl TableError {
    fn new(table: &str, key: &str, source: serde_json::Error) -> Self {
        Self { table: table.to_owned(), key: key.to_owned(), source }
    }
}

fn decode<T: DeserializeOwned>(table: &str, key: &str, json: &str) -> Result<T, TableError> {
    serde_json::from_str(json).map_err(|source| TableError::new(table, key, source))
}

fn decode_all<T: DeserializeOwned>(table: &str, rows: Rows) -> Result<Vec<(String, T)>, TableError> {
    rows.into_iter().map(|(key, json)| decode(table, &key, &json).map(|value| (key, value))).collect()
}
