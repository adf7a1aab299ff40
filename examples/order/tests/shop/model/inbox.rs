//! What waits for one consumer of the log: taken up late, repeated, and in whatever order its streams come.

use std::collections::BTreeMap;
use std::rc::Rc;

use es_core::{Event, EventStoreExt, Position, Recorded, StreamId};
use es_memory::MemoryStore;

use super::random::Random;

/// How often an event comes that came before, in a hundred times.
const REPEATS: u64 = 15;

/// What is kept of the order of the log.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    WithinStreams,
    None,
}

pub(crate) struct Inbox<E> {
    order: Order,
    fetched: Position,
    waiting: BTreeMap<StreamId, Vec<Rc<Recorded<E>>>>,
    settled: Vec<Rc<Recorded<E>>>,
}

pub(crate) struct Delivery<E> {
    pub(crate) event: Rc<Recorded<E>>,
    is_repeat: bool,
}

impl<E: Event> Inbox<E> {
    pub(crate) fn new(order: Order) -> Self {
        Self { order, fetched: Position::START, waiting: BTreeMap::new(), settled: Vec::new() }
    }

    pub(crate) async fn fetch(&mut self, store: &MemoryStore) {
        let mut log = store.log::<E>(self.fetched);
        while let Some(event) = log.next().await.unwrap() {
            self.waiting.entry(event.stream.clone()).or_default().push(event.into());
        }
        self.fetched = log.position();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn draw(&mut self, random: &mut Random) -> Option<Delivery<E>> {
        if !self.settled.is_empty() && random.percent(REPEATS) {
            let event = self.settled[random.index(self.settled.len())].clone();
            return Some(Delivery { event, is_repeat: true });
        }
        if self.waiting.is_empty() {
            return None;
        }
        let stream = self.waiting.keys().nth(random.index(self.waiting.len()))?.clone();
        let events = self.waiting.get_mut(&stream)?;
        let index = if self.order == Order::WithinStreams { 0 } else { random.index(events.len()) };
        let event = events.remove(index);
        self.waiting.retain(|_, events| !events.is_empty());
        Some(Delivery { event, is_repeat: false })
    }

    /// Whoever dies before the end gets the event again, before those that come behind it.
    pub(crate) fn settle(&mut self, delivery: Delivery<E>, survived: bool) {
        let Delivery { event, is_repeat } = delivery;
        match (survived, is_repeat) {
            (_, true) => {}
            (true, false) => self.settled.push(event),
            (false, false) => self.waiting.entry(event.stream.clone()).or_default().insert(0, event),
        }
    }

    /// All that was ever settled, shuffled.
    pub(crate) fn all_again(&mut self, random: &mut Random) -> Vec<Rc<Recorded<E>>> {
        let mut again = std::mem::take(&mut self.settled);
        for last in (1..again.len()).rev() {
            again.swap(last, random.index(last + 1));
        }
        again
    }
}
