//! Events of the past, many at a time.

use std::collections::HashMap;

use es_core::{
    Append, Error, EventId, ExpectedVersion, ImportBatch, ImportEvent, ImportStore, ImportStream, Timestamp, Version,
};

use crate::append::Streams;
use crate::draft::Drafts;
use crate::store::MemoryStore;

impl ImportStore for MemoryStore {
    /// It never has to wait for anything, so it lets others on now and then.
    async fn import_batch(&self, batch: &ImportBatch) -> Result<u64, Error> {
        tokio::task::coop::consume_budget().await;
        loop {
            let known = Known::of(batch, self.streams());
            let missing = batch.missing(|number| known.version(number), |number, version| known.id(number, version))?;
            let drafts = drafts(&missing, &known, self.log().now())?;
            match self.commit(drafts, None, || Ok(())) {
                // Somebody has appended to one of the streams meanwhile. Each turn of the loop is a success of somebody.
                Err(Error::Conflict(_)) => {}
                committed => return committed.map(|()| missing.len() as u64),
            }
        }
    }
}

/// What there is of the streams of a batch.
struct Known {
    versions: Vec<Version>,
    ids: HashMap<(usize, Version), EventId>,
}

impl Known {
    fn of(batch: &ImportBatch, streams: &Streams) -> Self {
        let mut known = Self { versions: Vec::with_capacity(batch.streams().len()), ids: HashMap::new() };
        for (number, of) in batch.streams().iter().enumerate() {
            let version = streams.version(&of.stream);
            known.versions.push(version);
            known.note(number, of, version, streams);
        }
        known
    }

    /// Notes the ids of what is there already.
    fn note(&mut self, number: usize, of: &ImportStream, version: Version, streams: &Streams) {
        let (mut from, last) = (of.first, of.last.min(version));
        while from <= last {
            let page = streams.page(&of.stream, from, u64::MAX);
            let Some(end) = page.last().map(|commit| commit.version()) else { return };
            let entries = page.iter().flat_map(|commit| commit.entries());
            let wanted = entries.filter(|entry| entry.version() >= from && entry.version() <= last);
            self.ids.extend(wanted.map(|entry| ((number, entry.version()), entry.id())));
            from = end.after(1);
        }
    }

    fn version(&self, number: usize) -> Version {
        self.versions.get(number).copied().unwrap_or_default()
    }

    fn id(&self, number: usize, version: Version) -> Option<EventId> {
        self.ids.get(&(number, version)).copied()
    }
}

/// Neighbours of one stream and one time go together.
fn drafts(missing: &[(&ImportStream, &ImportEvent)], known: &Known, now: Timestamp) -> Result<Drafts, Error> {
    let mut drafts = Drafts::default();
    for run in missing.chunk_by(|(_, a), (_, b)| a.number == b.number && a.recorded_at == b.recorded_at) {
        let Some(&(of, first)) = run.first() else { continue };
        let before = Version(first.version.0.saturating_sub(1));
        let events = run.iter().map(|(_, event)| event.event.clone()).collect();
        let append = Append::new(of.stream.clone(), ExpectedVersion::Exact(before), events);
        drafts.add_past(append, known.version(first.number), || None, first.recorded_at.unwrap_or(now), now)?;
    }
    Ok(drafts)
}
