//! The log: every commit of every stream, in the order in which they were made.

use std::sync::{Arc, RwLock};

use es_core::{Error, LogPage, NewEvent, Position, ReadLog, StreamId, Timestamp, Version, Visit};

use crate::append::Commit;
use crate::lock;

/// Places are given at the append, one after the other: nothing is ever committed late here.
#[derive(Default)]
pub(crate) struct Log(RwLock<Vec<Arc<Commit>>>);

impl Log {
    /// Gives the events of an append their places and their time.
    pub(crate) fn extend(&self, stream: StreamId, before: Version, events: Vec<NewEvent>) -> Arc<Commit> {
        let mut commits = lock::write(&self.0);
        let last = commits.last();
        let after = last.map_or(Position::START, |commit| commit.position());
        // The system clock may be set back; the time that events were recorded at never is.
        let now = Timestamp::now();
        let recorded_at = last.map_or(now, |commit| now.max(commit.recorded_at));
        let commit = Arc::new(Commit { stream, before, after, recorded_at, events });
        commits.push(Arc::clone(&commit));
        commit
    }

    pub(crate) fn end(&self) -> Position {
        end_of(&lock::read(&self.0))
    }

    /// When the next event behind the place was recorded, if there is one.
    pub(crate) fn behind(&self, position: Position) -> Option<Timestamp> {
        let commits = lock::read(&self.0);
        let first = commits.partition_point(|commit| commit.position() <= position);
        commits.get(first).map(|commit| commit.recorded_at)
    }

    pub(crate) fn read(&self, read: &ReadLog, visit: &mut Visit<'_>) -> Result<LogPage, Error> {
        let mut left = read.limit;
        let mut next = read.after;
        loop {
            let after = next;
            let (page, end) = self.page(after);
            for commit in &page {
                let in_slices = read.slices.contains(&commit.stream);
                for entry in commit.entries().filter(|entry| entry.position() > after) {
                    if in_slices && read.filter.allows(commit.stream.category(), entry.event_type()) {
                        if left == 0 {
                            return Ok(LogPage { next, at_end: false });
                        }
                        visit(entry.raw_in_log())?;
                        left -= 1;
                    }
                    next = entry.position();
                }
            }
            if next >= end {
                return Ok(LogPage { next, at_end: true });
            }
        }
    }

    /// The next commits with events behind `after`, and where the log ends.
    fn page(&self, after: Position) -> (Vec<Arc<Commit>>, Position) {
        let commits = lock::read(&self.0);
        let first = commits.partition_point(|commit| commit.position() <= after);
        (commits[first..].iter().take(lock::PAGE).cloned().collect(), end_of(&commits))
    }
}

fn end_of(commits: &[Arc<Commit>]) -> Position {
    commits.last().map_or(Position::START, |commit| commit.position())
}
