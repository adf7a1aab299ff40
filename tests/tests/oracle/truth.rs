//! What the writers know: which events were acknowledged, which were refused, and which may be either.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use es_core::{Append, Position, Version};
use uuid::Uuid;

use crate::checker::Stored;

/// Written down by all writers, read at the end.
#[derive(Default)]
pub struct Truth {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Acknowledged, with the place in the stream that the answer named.
    stored: Vec<Stored>,
    /// Answered in a way that says: nothing was stored.
    refused: Vec<Uuid>,
    /// One transaction each, whose commit was not answered: all of it is there, or nothing.
    unknown: Vec<Vec<Stored>>,
    /// Events that were acknowledged before the log's end was asked for.
    promised: Vec<(Uuid, Position)>,
    /// What must not have happened while the run went on.
    scandals: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

/// The events of an append that ended at `version`.
pub fn as_stored(append: &Append, version: Version) -> Vec<Stored> {
    let first = version.0 + 1 - append.events.len() as u64;
    let numbered = (first..).zip(&append.events);
    numbered.map(|(version, event)| Stored { id: event.id.0, stream: append.stream.to_string(), version }).collect()
}

impl Truth {
    pub fn stored(&self, events: Vec<Stored>) {
        self.keep(|kept| kept.stored.extend(events));
    }

    pub fn refused(&self, append: &Append) {
        self.keep(|kept| kept.refused.extend(append.events.iter().map(|event| event.id.0)));
    }

    pub fn taken_back(&self, events: &[Stored]) {
        self.keep(|kept| kept.refused.extend(events.iter().map(|event| event.id)));
    }

    pub fn unknown(&self, events: Vec<Stored>) {
        self.keep(|kept| kept.unknown.push(events));
    }

    pub fn promised(&self, append: &Append, end: Position) {
        self.keep(|kept| kept.promised.extend(append.events.iter().map(|event| (event.id.0, end))));
    }

    pub fn scandal(&self, what: impl Into<String>) {
        self.keep(|kept| kept.scandals.push(what.into()));
    }

    pub fn count(&self, what: &'static str) {
        self.keep(|kept| *kept.counts.entry(what).or_default() += 1);
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        self.keep(|kept| counts.clone_from(&kept.counts));
        counts
    }

    /// What does not fit what is there. `positions` are those of the log.
    pub fn contradictions(&self, committed: &[Stored], positions: &HashMap<Uuid, u64>) -> Vec<String> {
        let there: HashMap<Uuid, &Stored> = committed.iter().map(|stored| (stored.id, stored)).collect();
        let mut found = Vec::new();
        self.keep(|kept| {
            found.clone_from(&kept.scandals);
            found.extend(kept.lost(&there));
            found.extend(kept.risen(&there));
            found.extend(kept.torn(&there));
            found.extend(kept.unheard_of(committed));
            found.extend(twice(committed));
            found.extend(kept.broken_promises(positions));
        });
        found
    }

    fn keep(&self, act: impl FnOnce(&mut Kept)) {
        act(&mut self.kept.lock().unwrap());
    }
}

/// An event's id is its own: a repeat of an append that was stored after all would show here.
fn twice(committed: &[Stored]) -> Vec<String> {
    let mut ids = HashSet::new();
    let twice = committed.iter().filter(|stored| !ids.insert(stored.id));
    twice.map(|stored| format!("stored twice: {stored:?}")).collect()
}

impl Kept {
    fn lost(&self, there: &HashMap<Uuid, &Stored>) -> Vec<String> {
        let lost = self.stored.iter().filter(|stored| there.get(&stored.id) != Some(stored));
        lost.map(|stored| format!("acknowledged and not there: {stored:?}; there is {:?}", there.get(&stored.id)))
            .collect()
    }

    fn risen(&self, there: &HashMap<Uuid, &Stored>) -> Vec<String> {
        let risen = self.refused.iter().filter_map(|id| there.get(id));
        risen.map(|stored| format!("refused or rolled back, and there: {stored:?}")).collect()
    }

    fn torn(&self, there: &HashMap<Uuid, &Stored>) -> Vec<String> {
        let present = |events: &[Stored]| events.iter().filter(|event| there.contains_key(&event.id)).count();
        let torn = self.unknown.iter().filter(|events| !matches!(present(events), n if n == 0 || n == events.len()));
        torn.map(|events| format!("a transaction was stored in part: {events:?}")).collect()
    }

    fn unheard_of(&self, committed: &[Stored]) -> Vec<String> {
        let known: HashSet<Uuid> = self.stored.iter().chain(self.unknown.iter().flatten()).map(|s| s.id).collect();
        let strange = committed.iter().filter(|stored| !known.contains(&stored.id));
        strange.map(|stored| format!("there, and nobody was told so: {stored:?}")).collect()
    }

    fn broken_promises(&self, positions: &HashMap<Uuid, u64>) -> Vec<String> {
        let broken = self.promised.iter().filter(|(id, end)| positions.get(id).is_none_or(|at| *at > end.0));
        broken
            .map(|(id, end)| {
                format!("{id} was stored before the log's end was {end}, and is at {:?}", positions.get(id))
            })
            .collect()
    }
}
