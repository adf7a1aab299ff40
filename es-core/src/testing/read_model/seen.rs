//! What a read model shows, and what it should show.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use serde_json::Value;

use crate::testing::text::pretty;

/// What a read model shows, as a whole.
pub trait Seen: Send + Sync {
    /// What is expected of it.
    type Expected: Default + Send + Sync;

    /// Whether it shows the same.
    fn equals(&self, other: &Self) -> bool;

    /// As a person would want to read it.
    fn text(&self) -> String;

    /// What is expected and what is there, if they differ.
    fn differs(&self, expected: &Self::Expected) -> Option<(String, String)>;
}

/// What a test of documents looks at: all documents of the type, as they are stored. See
/// [`OnStore::documents`](super::OnStore::documents).
///
/// # Example: a story that several tests begin with
///
/// ```
/// use es_core::Document;
/// use es_core::testing::{AllDocuments, ReadModelTest, read_model_on};
/// use es_memory::MemoryStore;
///
/// fn two_accounts<D: Document>() -> ReadModelTest<MemoryStore, AllDocuments<D>> {
///     read_model_on(|| async { MemoryStore::new() }).documents::<D>()
/// }
/// ```
#[derive(Debug)]
pub struct AllDocuments<D> {
    documents: BTreeMap<String, Value>,
    of: PhantomData<fn() -> D>,
}

impl<D> AllDocuments<D> {
    pub(super) fn new(documents: BTreeMap<String, Value>) -> Self {
        Self { documents, of: PhantomData }
    }
}

impl<D> Seen for AllDocuments<D> {
    type Expected = BTreeMap<String, Option<Value>>;

    fn equals(&self, other: &Self) -> bool {
        self.documents == other.documents
    }

    fn text(&self) -> String {
        if self.documents.is_empty() {
            return "(no documents)\n".into();
        }
        self.documents.iter().map(|(key, document)| line(key, Some(document))).collect()
    }

    fn differs(&self, expected: &Self::Expected) -> Option<(String, String)> {
        let wrong = || expected.iter().filter(|(key, wanted)| wanted.as_ref() != self.documents.get(*key));
        let wanted: String = wrong().map(|(key, wanted)| line(key, wanted.as_ref())).collect();
        let actual = wrong().map(|(key, _)| line(key, self.documents.get(key))).collect();
        if wanted.is_empty() { None } else { Some((wanted, actual)) }
    }
}

pub(super) fn line(key: &str, document: Option<&Value>) -> String {
    match document {
        Some(document) => format!("{key} {}", pretty(&document.to_string())),
        None => format!("{key} (no document)\n"),
    }
}

/// What a test of a projector looks at: whatever it has read of the tables. See [`OnStore::projector`](super::OnStore::projector).
///
/// # Example: a test that several stories begin with
///
/// ```
/// use es_core::Projector;
/// use es_core::testing::{ReadBack, ReadModelTest, read_model_on};
/// use es_memory::{MemoryStore, Tables};
///
/// fn balances<P>(projector: fn() -> P) -> ReadModelTest<MemoryStore, ReadBack<Vec<(String, i64)>>>
/// where
///     P: Projector<Target = Tables>,
/// {
///     read_model_on(|| async { MemoryStore::new() })
///         .projector(projector, |store| async move { store.table("balances").list().unwrap() })
/// }
/// ```
#[derive(Debug)]
pub struct ReadBack<V>(pub(super) V);

impl<V: PartialEq + Debug + Send + Sync> Seen for ReadBack<V> {
    type Expected = Option<V>;

    fn equals(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn text(&self) -> String {
        format!("{:#?}\n", self.0)
    }

    fn differs(&self, expected: &Option<V>) -> Option<(String, String)> {
        let wrong = expected.as_ref().filter(|expected| **expected != self.0)?;
        Some((format!("{wrong:#?}\n"), self.text()))
    }
}
