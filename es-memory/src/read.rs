//! Reads of one stream. What is shown to a caller was copied out of the lock before, as handles on commits.

use es_core::{Direction, Error, Fold, ReadStream, Snapshot, StreamId, Version, Visit};

use crate::append::Streams;

impl Streams {
    pub(crate) fn fold(
        &self,
        stream: &StreamId,
        snapshot: Option<&Snapshot>,
        fold: &mut dyn Fold,
    ) -> Result<(), Error> {
        let mut version = Version::NONE;
        if let Some(snapshot) = snapshot {
            version = snapshot.version;
            fold.snapshot(version, &snapshot.state);
        }
        loop {
            let page = self.page(stream, version.after(1), u64::MAX);
            let Some(end) = page.last().map(|commit| commit.version()) else { return Ok(()) };
            let entries = page.iter().flat_map(|commit| commit.entries());
            entries
                .filter(|entry| entry.version() > version)
                .try_for_each(|entry| fold.event(entry.version(), entry.encoded()))?;
            version = end;
        }
    }

    pub(crate) fn read(&self, read: &ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        match read.direction {
            Direction::Forwards => self.read_forwards(read, visit),
            Direction::Backwards => self.read_backwards(read, visit),
        }
    }

    fn read_forwards(&self, read: &ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut from = read.from.unwrap_or(Version::FIRST);
        let mut left = read.limit.unwrap_or(u64::MAX);
        while left > 0 {
            let page = self.page(&read.stream, from, left);
            let Some(end) = page.last().map(|commit| commit.version()) else { return Ok(()) };
            let entries = page.iter().flat_map(|commit| commit.entries());
            for entry in entries.filter(|entry| entry.version() >= from).take(at_most(left)) {
                visit(entry.raw())?;
                left -= 1;
            }
            from = end.after(1);
        }
        Ok(())
    }

    fn read_backwards(&self, read: &ReadStream, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut from = read.from.unwrap_or(Version(u64::MAX));
        let mut left = read.limit.unwrap_or(u64::MAX);
        while left > 0 {
            let page = self.page_back(&read.stream, from, left);
            let Some(begin) = page.last().map(|commit| commit.before) else { return Ok(()) };
            let entries = page.iter().flat_map(|commit| commit.entries().rev());
            for entry in entries.filter(|entry| entry.version() <= from).take(at_most(left)) {
                visit(entry.raw())?;
                left -= 1;
            }
            from = begin;
        }
        Ok(())
    }
}

/// A limit, as iterators count.
pub(crate) fn at_most(events: u64) -> usize {
    usize::try_from(events).unwrap_or(usize::MAX)
}
