//! Appends inside a transaction: checked and promised at once, stored when the transaction is committed.

use std::collections::BTreeMap;

use es_core::{
    Append, Appended, Conflict, Error, ExpectedVersion, InvalidAppend, NewEvent, StreamId, Timestamp, Version,
};

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
    pub(crate) events: Vec<NewEvent>,
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

    /// Puts an append behind what is committed, and behind what the transaction has appended itself.
    pub(crate) fn add(
        &mut self,
        append: Append,
        committed: Version,
        recorded_at: Timestamp,
    ) -> Result<Appended, Error> {
        let Append { stream, expected, events } = append;
        let before = self.seen.get(&stream).map_or(committed, |seen| seen.version);
        let version = allowed(&stream, expected, before, &events)?;
        let seen = self.seen.entry(stream.clone()).or_insert(Seen { expected, committed, version });
        seen.version = version;
        self.drafts.push(Draft { stream, before, recorded_at, events });
        Ok(Appended::new(version, recorded_at))
    }

    /// Whether each stream is still as it was seen. The versions that were promised are wrong otherwise.
    pub(crate) fn check(&self, version: impl Fn(&StreamId) -> Version) -> Result<(), Error> {
        self.seen.iter().try_for_each(|(stream, seen)| seen.check(stream, version(stream)))
    }

    pub(crate) fn into_drafts(self) -> Vec<Draft> {
        self.drafts
    }
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
