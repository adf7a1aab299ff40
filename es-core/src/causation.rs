//! What led to what.

mod show;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::metadata::EventId;
use crate::recorded::{Recorded, Untyped};

/// What led to what: events, each below the event that caused it. It prints as a tree.
///
/// An event whose cause is not among them is a root. Mostly that cause is a command, which leaves no event of its own; it can also
/// be an event of another conversation, or one that is gone. Metadata is written by people, and may say that events caused each
/// other in a circle: then the one that was stored first is a root, too. So every event is in the tree, exactly once.
///
/// [`EventStoreExt::causation_tree`](crate::EventStoreExt::causation_tree) makes one for a conversation, and
/// [`causation_tree_of`](crate::EventStoreExt::causation_tree_of) for that of an event.
///
/// # Example: why was the order cancelled?
///
/// ```
/// use es_core::{Append, CorrelationId, EventStore, EventStoreExt, ExpectedVersion, Metadata, NewEvent, StreamId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let request = Metadata::default().with_correlation(CorrelationId::new());
/// let mut placed = NewEvent::new("order.placed", 1, "{}");
/// placed.metadata = request.clone();
/// let mut failed = NewEvent::new("payment.failed", 1, "{}");
/// failed.metadata = request.clone().with_causation(placed.id);
/// let mut cancelled = NewEvent::new("order.cancelled", 1, "{}");
/// cancelled.metadata = request.with_causation(failed.id);
/// let why = cancelled.id;
/// for (stream, event) in [("order", placed), ("payment", failed), ("order", cancelled)] {
///     let append = Append::new(StreamId::new(stream, "7")?, ExpectedVersion::Any, vec![event]);
///     store.append(append).await?;
/// }
///
/// let tree = store.causation_tree_of(why).await?.ok_or("no such event")?;
/// let causes: Vec<&str> = tree.causes(why).map(|cause| &*cause.event.event_type).collect();
/// assert_eq!(causes, ["payment.failed", "order.placed"]);
/// println!("{tree}");
/// // conversation 019aa5f5-…: 3 events of 2 streams, 2026-11-21T12:00:00Z
/// // order.placed           order-7 @ 1
/// // └─ payment.failed      payment-7 @ 1  +12 ms
/// //    └─ order.cancelled  order-7 @ 2    +15 ms
/// # assert_eq!(tree.to_string().lines().count(), 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CausationTree {
    /// In the order in which they were stored.
    nodes: Vec<Node>,
    /// Where the event with an id is; of several with one id, the first.
    places: HashMap<EventId, usize>,
    roots: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Node {
    event: Recorded<Untyped>,
    cause: Option<usize>,
    effects: Vec<usize>,
}

/// An event in its place in a [`CausationTree`].
///
/// # Example: how far from where it began
///
/// ```
/// use es_core::{CausationTree, Caused};
///
/// fn deepest(tree: &CausationTree) -> usize {
///     tree.iter().map(|Caused { depth, .. }| depth).max().unwrap_or(0)
/// }
/// # let _ = deepest;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Caused<'a> {
    /// How many events led to it, one after the other. 0 for a root.
    pub depth: usize,
    /// The event.
    pub event: &'a Recorded<Untyped>,
}

impl CausationTree {
    /// Puts events below their causes. Effects of one cause stay in the order in which they come here.
    pub fn new(events: impl IntoIterator<Item = Recorded<Untyped>>) -> Self {
        let events: Vec<_> = events.into_iter().collect();
        let mut places = HashMap::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            places.entry(event.id).or_insert(place);
        }
        let mut causes: Vec<Option<usize>> = events.iter().map(|event| cause_of(event, &places)).collect();
        cut_circles(&mut causes);
        let nodes = events.into_iter().zip(causes);
        let nodes = nodes.map(|(event, cause)| Node { event, cause, effects: Vec::new() }).collect();
        let mut tree = Self { nodes, places, roots: Vec::new() };
        tree.attach();
        tree
    }

    fn attach(&mut self) {
        for place in 0..self.nodes.len() {
            let cause = self.nodes.get(place).and_then(|node| node.cause);
            match cause.and_then(|cause| self.nodes.get_mut(cause)) {
                Some(cause) => cause.effects.push(place),
                None => self.roots.push(place),
            }
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The event with the id.
    pub fn get(&self, id: EventId) -> Option<&Recorded<Untyped>> {
        self.node(id).map(|node| &node.event)
    }

    /// The events whose cause is not in the tree.
    pub fn roots(&self) -> impl Iterator<Item = &Recorded<Untyped>> {
        self.events(&self.roots)
    }

    /// The events that the event caused directly.
    pub fn children(&self, id: EventId) -> impl Iterator<Item = &Recorded<Untyped>> {
        self.events(self.node(id).map_or(&[], |node| &node.effects))
    }

    /// The event's cause, the cause of that, and so on up to a root. Nothing for a root.
    pub fn causes(&self, id: EventId) -> impl Iterator<Item = &Recorded<Untyped>> {
        let above = |node: &Node| node.cause.and_then(|cause| self.nodes.get(cause));
        std::iter::successors(self.node(id).and_then(above), move |node| above(node)).map(|node| &node.event)
    }

    /// All events, each before what it caused.
    pub fn iter(&self) -> impl Iterator<Item = Caused<'_>> {
        self.walk(&self.roots).map(|step| step.caused)
    }

    /// The event and all that followed from it, the event itself at depth 0.
    pub fn iter_from(&self, id: EventId) -> impl Iterator<Item = Caused<'_>> {
        let first = self.places.get(&id).map_or(&[][..], std::slice::from_ref);
        self.walk(first).map(|step| step.caused)
    }

    fn node(&self, id: EventId) -> Option<&Node> {
        self.places.get(&id).and_then(|place| self.nodes.get(*place))
    }

    fn events(&self, places: &[usize]) -> impl Iterator<Item = &Recorded<Untyped>> {
        places.iter().filter_map(|place| self.nodes.get(*place)).map(|node| &node.event)
    }

    fn walk<'a>(&'a self, from: &[usize]) -> Walk<'a> {
        let mut walk = Walk { tree: self, ahead: Vec::new() };
        walk.push(from, 0);
        walk
    }
}

/// Goes down the tree without recursion: a chain may be longer than a stack is deep.
struct Walk<'a> {
    tree: &'a CausationTree,
    ahead: Vec<Ahead>,
}

struct Ahead {
    place: usize,
    depth: usize,
    is_last: bool,
}

struct Step<'a> {
    caused: Caused<'a>,
    node: &'a Node,
    /// Whether no effect of the same cause follows.
    is_last: bool,
}

impl Walk<'_> {
    fn push(&mut self, places: &[usize], depth: usize) {
        let last = places.len().saturating_sub(1);
        let ahead = places.iter().enumerate().rev();
        self.ahead.extend(ahead.map(|(nth, &place)| Ahead { place, depth, is_last: nth == last }));
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let Ahead { place, depth, is_last } = self.ahead.pop()?;
        let node = self.tree.nodes.get(place)?;
        self.push(&node.effects, depth + 1);
        Some(Step { caused: Caused { depth, event: &node.event }, node, is_last })
    }
}

fn cause_of(event: &Recorded<Untyped>, places: &HashMap<EventId, usize>) -> Option<usize> {
    let cause = event.metadata.causation_id?;
    places.get(&EventId(cause.0)).copied()
}

/// Takes its cause from one event of each circle: from the one that was stored first.
fn cut_circles(causes: &mut [Option<usize>]) {
    // Which walk up came by first. Whoever meets the trace of an earlier walk need not go on: that walk has met no circle, or
    // has cut it. Whoever meets its own has gone round.
    let mut seen: Vec<Option<usize>> = vec![None; causes.len()];
    for start in 0..causes.len() {
        let mut next = Some(start);
        while let Some(at) = next {
            match seen.get_mut(at) {
                Some(trace @ None) => *trace = Some(start),
                Some(Some(walk)) if *walk == start => {
                    let first = first_of_circle(at, causes);
                    causes.iter_mut().skip(first).take(1).for_each(|cause| *cause = None);
                    break;
                }
                _ => break,
            }
            next = cause_at(at, causes);
        }
    }
}

fn first_of_circle(member: usize, causes: &[Option<usize>]) -> usize {
    let round = std::iter::successors(cause_at(member, causes), |&at| cause_at(at, causes));
    round.take_while(|&at| at != member).fold(member, usize::min)
}

fn cause_at(place: usize, causes: &[Option<usize>]) -> Option<usize> {
    causes.get(place).copied().flatten()
}
