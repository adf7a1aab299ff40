//! How a batch is folded into documents.

use std::collections::HashMap;
use std::mem;

use foldhash::fast::RandomState;

use crate::document::{Document, DocumentError, IntoKeys, InvalidKey, check_key, decode, encode};
use crate::error::BoxError;
use crate::projection::Batch;
use crate::read_model::{ProjectionId, ReadModelTransaction};
use crate::recorded::Recorded;

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
    let changed = folding.fold(id, batch)?;
    Ok(transaction.save_documents(id, &changed).await?)
}

/// The documents that a batch changes, each with a number. One that is not there, or not there any more, is `None`.
struct Folding<D> {
    keys: Vec<String>,
    documents: Vec<Option<D>>,
    /// The numbers of the documents of each event, one after the other.
    changes: Vec<usize>,
    /// Where those of each event end.
    ends: Vec<usize>,
}

/// Keys in the order in which they came, each once.
#[derive(Default)]
struct Keys {
    keys: Vec<String>,
    numbers: HashMap<String, usize, RandomState>,
    /// For each key the last event that named it.
    named_by: Vec<usize>,
}

impl Keys {
    /// The number of a key that an event names. `None` when the event has named it before.
    fn named(&mut self, key: &str, event: usize) -> Result<Option<usize>, InvalidKey> {
        if let Some(&number) = self.numbers.get(key) {
            let before = self.named_by.get_mut(number).map(|by| mem::replace(by, event));
            return Ok((before != Some(event)).then_some(number));
        }
        check_key(key)?;
        let number = self.keys.len();
        self.keys.push(key.to_owned());
        self.numbers.insert(key.to_owned(), number);
        self.named_by.push(event);
        Ok(Some(number))
    }
}

impl<D: Document> Folding<D> {
    fn of(batch: &Batch<'_, D::Event>) -> Result<Self, BoxError> {
        let mut keys = Keys::default();
        let (mut changes, mut ends) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for (nth, event) in batch.into_iter().enumerate() {
            let mut checked = Ok(());
            D::key(event).each(&mut |key| match keys.named(key, nth) {
                Ok(number) => changes.extend(number),
                Err(invalid) => checked = Err(invalid),
            });
            checked?;
            ends.push(changes.len());
        }
        Ok(Self { keys: keys.keys, documents: Vec::new(), changes, ends })
    }

    fn take_stored(&mut self, id: &ProjectionId, stored: Vec<Option<String>>) -> Result<(), DocumentError> {
        let read = |(key, json): (&String, Option<String>)| json.map(|json| decode(id, key, &json)).transpose();
        self.documents = self.keys.iter().zip(stored).map(read).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn fold(
        mut self,
        id: &ProjectionId,
        batch: &Batch<'_, D::Event>,
    ) -> Result<Vec<(String, Option<String>)>, DocumentError> {
        let mut begin = 0;
        for (event, &end) in batch.into_iter().zip(&self.ends) {
            for &number in self.changes.get(begin..end).unwrap_or_default() {
                let (Some(slot), Some(key)) = (self.documents.get_mut(number), self.keys.get(number)) else { continue };
                apply(slot, key, event);
            }
            begin = end;
        }
        let write = |(key, document): (String, Option<D>)| {
            let text = document.map(|document| encode(id, &key, &document)).transpose()?;
            Ok((key, text))
        };
        self.keys.into_iter().zip(self.documents).map(write).collect()
    }
}

/// Has the document of `key` take in the event, if the event is about it.
pub(crate) fn take_in<D: Document>(document: &mut Option<D>, key: &str, event: &Recorded<D::Event>) {
    let mut is_about_it = false;
    D::key(event).each(&mut |of_event| is_about_it |= of_event == key);
    if is_about_it {
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
