//! Appends: the streams, and what each append leaves in them.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, RwLock};

use es_core::{Append, Appended, Error, EventId, Position, StreamId, Timestamp, Version};

use foldhash::fast::RandomState;

use crate::commit::Commit;
use crate::draft::{Draft, Drafts, allowed, check_behind};
use crate::keys::Keys;
use crate::lock;
use crate::log::Log;
use crate::read::at_most;

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
    commits?.last()?.last()
}
