//! Appends: the streams, and what each append leaves in them.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, RwLock};

use es_core::{
    Append, Appended, CorrelationId, EncodedEvent, Error, EventId, NewEvent, Position, RawEvent, StreamId, Timestamp,
    Version,
};

use foldhash::fast::RandomState;

use crate::draft::{Draft, Drafts, allowed, check_behind};
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
    /// What will be one when the log has given it a place.
    pub(crate) fn draft(draft: Draft) -> Arc<Self> {
        let Draft { stream, before, recorded_at, taken_at, events, key: _ } = draft;
        Arc::new(Self { stream, before, after: Position::START, recorded_at, latest: recorded_at, taken_at, events })
    }

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

/// So many parts, so that writers of different streams seldom meet at the lock of one.
const PARTS: usize = 32;

/// Every stream, as the commits that made it, in parts of their own.
#[derive(Default)]
pub(crate) struct Streams {
    parts: [RwLock<Part>; PARTS],
    hasher: RandomState,
}

/// Some of the streams. The hash is a fast one: each command asks for its stream several times.
type Part = HashMap<StreamId, Vec<Arc<Commit>>, RandomState>;

impl Streams {
    /// Puts the events behind their stream and into the log, if the stream is as expected, and nothing was stored under the
    /// append's key before.
    ///
    /// The log is extended before the stream's lock is given back. So the log has the events of a stream in the stream's
    /// order, and who sees an event in its stream finds it in the log. A key is locked from the look at it to its use, so that of two
    /// appends to different streams one comes first.
    pub(crate) fn append(&self, append: Append, log: &Log, keys: &Keys) -> Result<Appended, Error> {
        let Append { stream, expected, events, key, behind } = append;
        let mut part = lock::write(self.part(&stream));
        let keyed = key.map(|keyed| (keyed, keys.using()));
        if let Some((keyed, using)) = &keyed
            && let Some(first) = using.answer(keyed, &stream)?
        {
            return Ok(first);
        }
        let commits = part.get_mut(&stream);
        let before = version_of(commits.as_deref());
        let version = allowed(&stream, expected, before, &events)?;
        check_behind(&stream, expected, before, behind, || last_of(commits.as_deref()))?;
        let now = Timestamp::now();
        let commit = log.push(Draft { stream, before, recorded_at: now, taken_at: now, events, key: None });
        let recorded_at = commit.recorded_at;
        if let Some((keyed, mut using)) = keyed {
            using.keep(keyed, &commit);
        }
        match commits {
            Some(commits) => commits.push(commit),
            None => drop(part.insert(commit.stream.clone(), vec![commit])),
        }
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
        // Whoever takes several takes them in this order, so that nobody waits for anybody who waits for him.
        let mut parts: Vec<_> = self.parts.iter().map(lock::write).collect();
        let part = |stream: &StreamId| self.nth(stream);
        drafts.check(|stream| version_of(parts[part(stream)].get(stream)))?;
        let mut keys = keys.using();
        drafts.check_keys(&keys)?;
        let mut log = log.extending();
        log.check_end(held)?;
        beside()?;
        for mut draft in drafts.into_drafts() {
            let key = draft.key.take();
            let commit = log.push(Commit::draft(draft));
            if let Some(keyed) = key {
                keys.keep(keyed, &commit);
            }
            parts[part(&commit.stream)].entry(commit.stream.clone()).or_default().push(commit);
        }
        Ok(())
    }

    /// In which part a stream is.
    fn nth(&self, stream: &StreamId) -> usize {
        usize::try_from(self.hasher.hash_one(stream) % PARTS as u64).unwrap_or_default()
    }

    fn part(&self, stream: &StreamId) -> &RwLock<Part> {
        &self.parts[self.nth(stream)]
    }

    pub(crate) fn version(&self, stream: &StreamId) -> Version {
        version_of(lock::read(self.part(stream)).get(stream))
    }

    /// The id of the stream's last event.
    pub(crate) fn last(&self, stream: &StreamId) -> Option<EventId> {
        last_of(lock::read(self.part(stream)).get(stream))
    }

    pub(crate) fn count(&self) -> usize {
        self.parts.iter().map(|part| lock::read(part).len()).sum()
    }

    /// The next commits of the stream with events at `from` or behind, enough for `events` events or a page.
    pub(crate) fn page(&self, stream: &StreamId, from: Version, events: u64) -> Vec<Arc<Commit>> {
        let streams = lock::read(self.part(stream));
        let commits = streams.get(stream).map_or(&[][..], Vec::as_slice);
        let first = commits.partition_point(|commit| commit.version() < from);
        commits[first..].iter().take(at_most(events).min(lock::PAGE)).cloned().collect()
    }

    /// The last commits of the stream with events at `from` or before, newest first, enough for `events` events or a page.
    pub(crate) fn page_back(&self, stream: &StreamId, from: Version, events: u64) -> Vec<Arc<Commit>> {
        let streams = lock::read(self.part(stream));
        let commits = streams.get(stream).map_or(&[][..], Vec::as_slice);
        let end = commits.partition_point(|commit| commit.before < from);
        commits[..end].iter().rev().take(at_most(events).min(lock::PAGE)).cloned().collect()
    }
}

fn version_of(commits: Option<&Vec<Arc<Commit>>>) -> Version {
    commits.and_then(|commits| commits.last()).map_or(Version::NONE, |commit| commit.version())
}

fn last_of(commits: Option<&Vec<Arc<Commit>>>) -> Option<EventId> {
    Some(commits?.last()?.events.last()?.id)
}
