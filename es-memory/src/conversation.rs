//! Reads across streams: of one conversation, and of one event by its id. They look through the whole log, which a store in
//! memory can afford and another one needs an index for.

use es_core::{Bookmark, Error, EventId, Position, ReadConversation, Visit};

use crate::commit::Entry;
use crate::log::Log;

impl Log {
    /// Whoever had seen an event appended later, so the order of the log has causes before effects.
    pub(crate) fn read_conversation(
        &self,
        read: &ReadConversation,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Bookmark>, Error> {
        let mut left = read.limit.unwrap_or(u64::MAX);
        let mut bookmark = read.after;
        let mut wanted = |entry: Entry<'_>| {
            if entry.conversation() != read.correlation {
                return Ok(true);
            }
            if left == 0 {
                return Ok(false);
            }
            visit(entry.raw())?;
            left -= 1;
            bookmark = Bookmark(entry.position().0);
            Ok(true)
        };
        let at_end = self.walk(Position(read.after.0), &mut wanted)?;
        Ok((!at_end).then_some(bookmark))
    }

    pub(crate) fn find(&self, id: EventId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.walk(Position::START, &mut |entry| match entry.id() {
            found if found == id => visit(entry.raw()).map(|()| false),
            _ => Ok(true),
        })?;
        Ok(())
    }

    /// Shows every event behind a place, as long as that is asked for. Whether it was asked for to the end.
    fn walk(&self, mut after: Position, see: &mut dyn FnMut(Entry<'_>) -> Result<bool, Error>) -> Result<bool, Error> {
        loop {
            let (page, _) = self.page(after);
            let Some(end) = page.last().map(|commit| commit.position()) else { return Ok(true) };
            for entry in page.iter().flat_map(|commit| commit.entries()).filter(|entry| entry.position() > after) {
                if !see(entry)? {
                    return Ok(false);
                }
            }
            after = end;
        }
    }
}
