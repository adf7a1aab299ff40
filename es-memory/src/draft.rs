//! Appends inside a transaction: checked and promised at once, stored when the transaction is committed.

use std::collections::BTreeMap;

use es_core::{
    Append, Appended, Conflict, Error, EventId, ExpectedVersion, IdempotencyKey, InvalidAppend, KeyUse, Keyed,
    NewEvent, StreamId, Timestamp, Version,
};

use crate::keys::Using;

/// What a transaction has appended so far.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    drafts: Vec<Draft>,
    seen: BTreeMap<StreamId, Seen>,
}

/// An append as it will be stored.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) stream: StreamId,
    /// The stream's version before.
    pub(crate) before: Version,
    pub(crate) recorded_at: Timestamp,
    /// When the store took it in, which is later for an event of the past.
    pub(crate) taken_at: Timestamp,
    pub(crate) events: Vec<NewEvent>,
    /// The key that it is stored under, if it has one.
    pub(crate) key: Option<Keyed>,
}

/// What the transaction knows of a stream.
#[derive(Debug)]
struct Seen {
    /// What it expected when it looked first.
    expected: ExpectedVersion,
    /// The version that was committed then.
    committed: Version,
    /// The version behind its own events.
    version: Version,
}

impl Drafts {
    pub(crate) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }

    /// Puts an append behind what is committed, of which `last` is the last event, and behind what the transaction has appended
    /// itself.
    pub(crate) fn add(
        &mut self,
        append: Append,
        committed: Version,
        last: impl FnOnce() -> Option<EventId>,
        recorded_at: Timestamp,
    ) -> Result<Appended, Error> {
        self.add_past(append, committed, last, recorded_at, recorded_at)
    }

    /// The same for events that were recorded before they are taken in.
    pub(crate) fn add_past(
        &mut self,
        append: Append,
        committed: Version,
        last: impl FnOnce() -> Option<EventId>,
        recorded_at: Timestamp,
        taken_at: Timestamp,
    ) -> Result<Appended, Error> {
        let Append { stream, expected, events, key, behind } = append;
        let before = self.seen.get(&stream).map_or(committed, |seen| seen.version);
        let version = allowed(&stream, expected, before, &events)?;
        check_behind(&stream, expected, before, behind, || self.last(&stream).or_else(last))?;
        let seen = self.seen.entry(stream.clone()).or_insert(Seen { expected, committed, version });
        seen.version = version;
        self.drafts.push(Draft { stream, before, recorded_at, taken_at, events, key });
        Ok(Appended::new(version, recorded_at))
    }

    /// The last event of the stream, if the transaction has appended it.
    fn last(&self, stream: &StreamId) -> Option<EventId> {
        let draft = self.drafts.iter().rev().find(|draft| draft.stream == *stream)?;
        Some(draft.events.last()?.id)
    }

    /// Whether each stream is still as it was seen. The versions that were promised are wrong otherwise.
    pub(crate) fn check(&self, version: impl Fn(&StreamId) -> Version) -> Result<(), Error> {
        self.seen.iter().try_for_each(|(stream, seen)| seen.check(stream, version(stream)))
    }

    /// What the transaction itself has appended under the key.
    pub(crate) fn find_key(&self, key: &IdempotencyKey) -> Option<KeyUse> {
        let used = |draft: &&Draft| draft.key.as_ref().is_some_and(|keyed| keyed.key == *key);
        self.drafts.iter().find(used).and_then(Draft::key_use)
    }

    /// Whether nobody else has used one of its keys in the meantime.
    pub(crate) fn check_keys(&self, keys: &Using<'_>) -> Result<(), Error> {
        let mut used = self.drafts.iter().filter_map(|draft| draft.key.as_ref()).filter(|keyed| !keys.is_free(keyed));
        match used.next() {
            Some(keyed) => Err(Error::unavailable(UsedMeanwhile { key: keyed.key.clone() })),
            None => Ok(()),
        }
    }

    pub(crate) fn into_drafts(self) -> Vec<Draft> {
        self.drafts
    }
}

impl Draft {
    fn key_use(&self) -> Option<KeyUse> {
        let keyed = self.key.as_ref()?;
        let (first, last) = (self.before.after(1), self.before.after(self.events.len() as u64));
        Some(KeyUse::new(self.stream.clone(), first, last, keyed.fingerprint, self.recorded_at))
    }
}

/// Somebody else was faster under the same key. Whoever begins anew finds what became of it.
#[derive(Debug, thiserror::Error)]
#[error("idempotency key `{key}` was used by somebody else since the transaction appended under it")]
struct UsedMeanwhile {
    key: IdempotencyKey,
}

/// A stream whose version is not what was promised, although it is as expected.
#[derive(Debug, thiserror::Error)]
#[error("stream `{stream}` has moved on from version {seen} to {actual} since the transaction appended to it")]
struct MovedOn {
    stream: StreamId,
    seen: Version,
    actual: Version,
}

impl Seen {
    /// It is a conflict only to who expected something else. All others may simply try again.
    fn check(&self, stream: &StreamId, actual: Version) -> Result<(), Error> {
        let (stream, expected, seen) = (stream.clone(), self.expected, self.committed);
        match actual {
            actual if actual == seen => Ok(()),
            actual if expected.allows(actual) => Err(Error::unavailable(MovedOn { stream, seen, actual })),
            actual => Err(Conflict { stream, expected, actual }.into()),
        }
    }
}

/// The version that the append leads to, if the stream is as expected.
pub(crate) fn allowed(
    stream: &StreamId,
    expected: ExpectedVersion,
    actual: Version,
    events: &[NewEvent],
) -> Result<Version, Error> {
    if !expected.allows(actual) {
        return Err(Conflict { stream: stream.clone(), expected, actual }.into());
    }
    let version = actual.0.checked_add(events.len() as u64).map(Version);
    version.ok_or_else(|| InvalidAppend::TooManyEvents(stream.clone()).into())
}

/// Whether the last event of a stream that is as expected is the one that an append goes behind, if it says so.
pub(crate) fn check_behind(
    stream: &StreamId,
    expected: ExpectedVersion,
    actual: Version,
    behind: Option<EventId>,
    last: impl FnOnce() -> Option<EventId>,
) -> Result<(), Error> {
    match behind {
        Some(event) if last() != Some(event) => Err(Conflict { stream: stream.clone(), expected, actual }.into()),
        _ => Ok(()),
    }
}
