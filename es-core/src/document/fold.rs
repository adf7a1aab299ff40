//! How a batch is folded into documents.

use std::collections::HashMap;

use crate::document::{Document, DocumentError, IntoKeys, check_key, decode, encode};
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
        for (event, numbers) in batch.into_iter().zip(&self.changes) {
            for &number in numbers {
                let (Some(slot), Some(key)) = (self.documents.get_mut(number), self.keys.get(number)) else { continue };
                apply(slot, key, event);
            }
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
