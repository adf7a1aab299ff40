//! The log: every commit of every stream, in the order in which they were made.

use std::sync::{Arc, RwLock, RwLockWriteGuard};

use es_core::{Error, LogPage, Position, ReadLog, Timestamp, Visit};

use crate::commit::Commit;
use crate::draft::Draft;
use crate::lock;

/// Places are given at the append, one after the other: nothing is ever committed late here.
#[derive(Default)]
pub(crate) struct Log(RwLock<Vec<Arc<Commit>>>);

/// The log while somebody extends it, and nobody reads it.
pub(crate) struct Extending<'a>(RwLockWriteGuard<'a, Vec<Arc<Commit>>>);

/// The log has grown while a transaction was to hold it.
#[derive(Debug, thiserror::Error)]
#[error("the log was to end at {held} until the transaction did, and somebody has appended to it")]
struct Grown {
    held: Position,
}

impl Extending<'_> {
    /// See [`Log::while_held`].
    pub(crate) fn check_end(&self, held: Option<Position>) -> Result<(), Error> {
        check_end(&self.0, held)
    }

    /// Gives the events of an append their places. Nobody else has it yet.
    pub(crate) fn push(&mut self, mut commit: Arc<Commit>) -> Arc<Commit> {
        let (after, before) = (end_of(&self.0), self.latest());
        if let Some(commit) = Arc::get_mut(&mut commit) {
            commit.after = after;
            // A transaction takes its time when it appends, and others may have got their place in between.
            commit.latest = before.map_or(commit.recorded_at, |latest| latest.max(commit.recorded_at));
        }
        self.0.push(Arc::clone(&commit));
        commit
    }

    fn latest(&self) -> Option<Timestamp> {
        self.0.last().map(|last| last.latest)
    }
}

impl Log {
    /// Puts an append that is made now behind all others. It is made ready before the log is locked: that lock is the only one that
    /// writers of different streams share.
    pub(crate) fn push(&self, draft: Draft) -> Arc<Commit> {
        let mut commit = Commit::draft(draft);
        let mut log = self.extending();
        if let Some((commit, latest)) = Arc::get_mut(&mut commit).zip(log.latest()) {
            commit.recorded_at = commit.recorded_at.max(latest);
        }
        log.push(commit)
    }

    pub(crate) fn extending(&self) -> Extending<'_> {
        Extending(lock::write(&self.0))
    }

    /// The time for an append that is made now.
    pub(crate) fn now(&self) -> Timestamp {
        now(&lock::read(&self.0))
    }

    /// Acts while nobody can append, if the log ends where it was `held`, if it was.
    pub(crate) fn while_held(
        &self,
        held: Option<Position>,
        act: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(held) = held else { return act() };
        let commits = lock::read(&self.0);
        check_end(&commits, Some(held))?;
        act()
    }

    /// The last place, everything up to which was recorded before the time.
    pub(crate) fn place_at(&self, time: Timestamp) -> Position {
        let commits = lock::read(&self.0);
        let first = commits.partition_point(|commit| commit.latest < time);
        end_of(commits.get(..first).unwrap_or_default())
    }

    pub(crate) fn end(&self) -> Position {
        end_of(&lock::read(&self.0))
    }

    /// When the next event behind the place was taken in, if there is one.
    pub(crate) fn behind(&self, position: Position) -> Option<Timestamp> {
        let commits = lock::read(&self.0);
        let first = commits.partition_point(|commit| commit.position() <= position);
        commits.get(first).map(|commit| commit.taken_at)
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
    pub(crate) fn page(&self, after: Position) -> (Vec<Arc<Commit>>, Position) {
        let commits = lock::read(&self.0);
        let first = commits.partition_point(|commit| commit.position() <= after);
        (commits[first..].iter().take(lock::PAGE).cloned().collect(), end_of(&commits))
    }
}

fn end_of(commits: &[Arc<Commit>]) -> Position {
    commits.last().map_or(Position::START, |commit| commit.position())
}

/// The system clock may be set back; the time that events are recorded at never is.
fn now(commits: &[Arc<Commit>]) -> Timestamp {
    let now = Timestamp::now();
    commits.last().map_or(now, |last| now.max(last.latest))
}

fn check_end(commits: &[Arc<Commit>], held: Option<Position>) -> Result<(), Error> {
    match held {
        Some(held) if held != end_of(commits) => Err(Error::unavailable(Grown { held })),
        _ => Ok(()),
    }
}
