//! Documents without a store: what their code does over the story, and whether JSON keeps them whole.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::codec::to_json;
use crate::document::{self, Document, IntoKeys};
use crate::read_model::ProjectionId;
use crate::recorded::Recorded;
use crate::runner::guard::{Panicked, chain, guarded_call};
use crate::testing::read_model::story::Story;
use crate::testing::text::{diff, pretty};

/// A document twice: kept in memory, and written and read between any two events.
struct Twins<D> {
    kept: Option<D>,
    stored: Option<String>,
}

/// Folds the story, and says what is wrong.
pub(super) fn check<D: Document>(id: &ProjectionId, story: &Story) -> Result<(), String> {
    let filter = D::filter();
    let wanted = |category: &str, event_type: &str| filter.allows(category, event_type);
    let events = story.recorded::<D::Event>(wanted).map_err(|error| format!("an event is not readable: {error}"))?;
    let mut documents = BTreeMap::new();
    for event in &events {
        for key in keys::<D>(event)? {
            let twins = documents.entry(key.clone()).or_insert(Twins::<D> { kept: None, stored: None });
            twins.take_in(id, &key, event)?;
        }
    }
    Ok(())
}

fn keys<D: Document>(event: &Recorded<D::Event>) -> Result<Vec<String>, String> {
    let mut keys = guarded_call(|| D::key(event).into_keys()).map_err(|panicked| over("key", event, &panicked))?;
    for key in &keys {
        let wrong = |invalid| format!("`key` of event {} of `{}` cannot be: {invalid}", event.version, event.stream);
        document::check_key(key).map_err(wrong)?;
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

fn over<E>(method: &str, event: &Recorded<E>, panicked: &Panicked) -> String {
    format!("`{method}` fails over event {} of `{}`: {panicked}", event.version, event.stream)
}

impl<D: Document> Twins<D> {
    fn take_in(&mut self, id: &ProjectionId, key: &str, event: &Recorded<D::Event>) -> Result<(), String> {
        let apply = |document: &mut Option<D>| {
            let applied = guarded_call(|| document::take_in(document, key, event));
            applied.map_err(|panicked| over("apply", event, &panicked))
        };
        let place = format!("after event {} of `{}`", event.version, event.stream);
        apply(&mut self.kept)?;
        let text = self.kept.as_ref().map(|kept| write(key, kept)).transpose()?;
        if let Some(text) = &text {
            let read = read::<D>(id, key, text)?;
            let again = write(key, &read)?;
            if value(text) != value(&again) {
                let diff = diff(&pretty(text), &pretty(&again));
                return Err(format!("document `{key}` {place} is another one when it is read again\n{diff}"));
            }
            if read.is_deleted() {
                return Err(format!("document `{key}` {place} says `is_deleted` only when it is read again"));
            }
        }
        let mut twin = self.stored.take().map(|stored| read::<D>(id, key, &stored)).transpose()?;
        apply(&mut twin)?;
        self.stored = twin.as_ref().map(|twin| write(key, twin)).transpose()?;
        if text.as_deref().map(value) == self.stored.as_deref().map(value) {
            return Ok(());
        }
        let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "(no document)\n".to_owned(), pretty);
        Err(format!(
            "document `{key}` {place} is another one where it was written and read between events\n{}\
             It is read from JSON before each batch, and what serde leaves out is lost: a field that is skipped.",
            diff(&shown(&text), &shown(&self.stored))
        ))
    }
}

/// An expected document as it would be stored, if a reader could get it.
pub(super) fn stored<D: Document + PartialEq>(id: &ProjectionId, key: &str, document: &D) -> Result<Value, String> {
    let text = write(key, document)?;
    if read::<D>(id, key, &text)? == *document {
        return Ok(value(&text));
    }
    Err(format!(
        "document `{key}` is another one when it is read again, and what serde leaves out nobody reads: a field that is skipped\n{}",
        pretty(&text)
    ))
}

fn write<D: Document>(key: &str, document: &D) -> Result<String, String> {
    to_json(document).map_err(|error| format!("document `{key}` cannot be written as JSON: {error}"))
}

fn read<D: Document>(id: &ProjectionId, key: &str, text: &str) -> Result<D, String> {
    let unreadable = |error| format!("document `{key}` cannot be read again: {}\n{}", chain(&error), pretty(text));
    document::decode(id, key, text).map_err(unreadable)
}

/// Its content, as maps have no order.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
