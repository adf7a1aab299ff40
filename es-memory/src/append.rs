//! Appends: the streams, and what each append leaves in them.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use es_core::{
    Append, Appended, CorrelationId, EncodedEvent, Error, EventId, NewEvent, Position, RawEvent, StreamId, Timestamp,
    Version,
};

use crate::draft::{Draft, Drafts, allowed};
use crate::keys::Keys;
use crate::lock;
use crate::log::Log;
use crate::read::at_most;

/// An append that was accepted. It is kept whole, in its stream and in the log, so that no reader ever sees a part of it.
pub(crate) struct Commit {
    pub(crate) stream: StreamId,
    /// The stream's version before.
    pub(crate) before: Version,
    /// The end of the log before.
    pub(crate) after: Position,
    pub(crate) recorded_at: Timestamp,
    /// The latest time of any commit in the log up to here.
    pub(crate) latest: Timestamp,
    /// When the store took it in.
    pub(crate) taken_at: Timestamp,
    pub(crate) events: Vec<NewEvent>,
}

impl Commit {
    /// The version of its last event.
    pub(crate) fn version(&self) -> Version {
        self.before.after(self.events.len() as u64)
    }

    /// The place of its last event.
    pub(crate) fn position(&self) -> Position {
        Position(self.after.0.saturating_add(self.events.len() as u64))
    }

    /// Its events, in order.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        let number = |index: usize| index as u64 + 1;
        self.events.iter().enumerate().map(move |(index, event)| Entry { commit: self, number: number(index), event })
    }
}

/// One event of a commit.
pub(crate) struct Entry<'a> {
    commit: &'a Commit,
    /// Which event of the commit it is, from 1.
    number: u64,
    event: &'a NewEvent,
}

impl<'a> Entry<'a> {
    pub(crate) fn version(&self) -> Version {
        self.commit.before.after(self.number)
    }

    pub(crate) fn position(&self) -> Position {
        Position(self.commit.after.0.saturating_add(self.number))
    }

    pub(crate) fn id(&self) -> EventId {
        self.event.id
    }

    /// The conversation that it belongs to, or begins.
    pub(crate) fn conversation(&self) -> CorrelationId {
        self.event.metadata.conversation(self.event.id)
    }

    pub(crate) fn event_type(&self) -> &'a str {
        &self.event.event_type
    }

    /// What a fold is shown.
    pub(crate) fn encoded(&self) -> EncodedEvent<'a> {
        let NewEvent { event_type, schema_version, payload, .. } = self.event;
        EncodedEvent::new(self.commit.stream.category(), event_type, *schema_version, payload)
    }

    /// What a reader of the stream is shown.
    pub(crate) fn raw(&self) -> RawEvent<'a> {
        RawEvent {
            id: self.event.id,
            stream: self.commit.stream.clone(),
            version: self.version(),
            position: None,
            event_type: &self.event.event_type,
            schema_version: self.event.schema_version,
            payload: &self.event.payload,
            metadata: self.event.metadata.clone(),
            recorded_at: self.commit.recorded_at,
        }
    }

    /// What a reader of the log is shown.
    pub(crate) fn raw_in_log(&self) -> RawEvent<'a> {
        RawEvent { position: Some(self.position()), ..self.raw() }
    }
}

/// Every stream, as the commits that made it.
#[derive(Default)]
pub(crate) struct Streams(RwLock<HashMap<StreamId, Vec<Arc<Commit>>>>);

impl Streams {
    /// Puts the events behind their stream and into the log, if the stream is as expected, and nothing was stored under the
    /// append's key before.
    ///
    /// The log is extended before the stream's lock is given back. So the log has the events of a stream in the stream's
    /// order, and who sees an event in its stream finds it in the log.
    pub(crate) fn append(&self, append: Append, log: &Log, keys: &Keys) -> Result<Appended, Error> {
        let Append { stream, expected, events, key } = append;
        let mut streams = lock::write(&self.0);
        if let Some(keyed) = &key
            && let Some(first) = keys.using().answer(keyed, &stream)?
        {
            return Ok(first);
        }
        let before = version_of(streams.get(&stream));
        let version = allowed(&stream, expected, before, &events)?;
        let mut log = log.extending();
        let recorded_at = log.now();
        let commit = log.push(Draft { stream, before, recorded_at, taken_at: recorded_at, events, key: None });
        if let Some(keyed) = key {
            keys.using().keep(keyed, &commit);
        }
        streams.entry(commit.stream.clone()).or_default().push(commit);
        Ok(Appended::new(version, recorded_at))
    }

    /// Stores what a transaction has appended, if each stream is still as the transaction saw it, nobody has used its keys, and
    /// the log ends where it was `held`, if it was. What `beside` does happens in one piece with it, or nothing does.
    pub(crate) fn commit(
        &self,
        drafts: Drafts,
        log: &Log,
        keys: &Keys,
        held: Option<Position>,
        beside: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut streams = lock::write(&self.0);
        drafts.check(|stream| version_of(streams.get(stream)))?;
        let mut log = log.extending();
        log.check_end(held)?;
        let mut keys = keys.using();
        drafts.check_keys(&keys)?;
        beside()?;
        for mut draft in drafts.into_drafts() {
            let key = draft.key.take();
            let commit = log.push(draft);
            if let Some(keyed) = key {
                keys.keep(keyed, &commit);
            }
            streams.entry(commit.stream.clone()).or_default().push(commit);
        }
        Ok(())
    }

    pub(crate) fn version(&self, stream: &StreamId) -> Version {
        version_of(lock::read(&self.0).get(stream))
    }

    pub(crate) fn count(&self) -> usize {
        lock::read(&self.0).len()
    }

    /// The next commits of the stream with events at `from` or behind, enough for `events` events or a page.
    pub(crate) fn page(&self, stream: &StreamId, from: Version, events: u64) -> Vec<Arc<Commit>> {
        let streams = lock::read(&self.0);
        let commits = streams.get(stream).map_or(&[][..], Vec::as_slice);
        let first = commits.partition_point(|commit| commit.version() < from);
        commits[first..].iter().take(at_most(events).min(lock::PAGE)).cloned().collect()
    }

    /// The last commits of the stream with events at `from` or before, newest first, enough for `events` events or a page.
    pub(crate) fn page_back(&self, stream: &StreamId, from: Version, events: u64) -> Vec<Arc<Commit>> {
        let streams = lock::read(&self.0);
        let commits = streams.get(stream).map_or(&[][..], Vec::as_slice);
        let end = commits.partition_point(|commit| commit.before < from);
        commits[..end].iter().rev().take(at_most(events).min(lock::PAGE)).cloned().collect()
    }
}

fn version_of(commits: Option<&Vec<Arc<Commit>>>) -> Version {
    commits.and_then(|commits| commits.last()).map_or(Version::NONE, |commit| commit.version())
}
