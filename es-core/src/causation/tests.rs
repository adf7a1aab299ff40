//! Trees of what people write, circles and holes included.

use std::time::Duration;

use super::*;
use crate::metadata::{CausationId, CorrelationId, Metadata};
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

const CONVERSATION: u128 = 0x0193_a7c5_7d2a_7cc0_8000_1d2f_3a4b_5c6d;

/// 2026-11-21T12:00:00Z.
const NOON: Timestamp = Timestamp::from_micros(1_795_262_400_000_000);

fn id(number: u128) -> EventId {
    EventId(uuid::Uuid::from_u128(number))
}

/// Event `number`, a millisecond after event `number - 1`.
fn event(number: u64, cause: Option<u64>) -> Recorded<Untyped> {
    let metadata = Metadata::default().with_correlation(CorrelationId(uuid::Uuid::from_u128(CONVERSATION)));
    Recorded {
        id: id(number.into()),
        stream: StreamId::new("door", "7").unwrap(),
        version: Version(number),
        position: None,
        recorded_at: NOON + Duration::from_millis(number),
        metadata: match cause {
            Some(cause) => metadata.with_causation(CausationId(id(cause.into()).0)),
            None => metadata,
        },
        event: Untyped { event_type: "door.opened".into(), schema_version: 1 },
    }
}

fn tree(causes: &[(u64, Option<u64>)]) -> CausationTree {
    CausationTree::new(causes.iter().map(|(number, cause)| event(*number, *cause)))
}

fn numbers<'a>(events: impl Iterator<Item = &'a Recorded<Untyped>>) -> Vec<u64> {
    events.map(|event| event.version.0).collect()
}

fn walked(tree: &CausationTree) -> Vec<(usize, u64)> {
    tree.iter().map(|caused| (caused.depth, caused.event.version.0)).collect()
}

#[test]
fn effects_stand_below_their_causes_in_the_order_they_came() {
    let tree = tree(&[(1, Some(99)), (2, Some(1)), (3, Some(1)), (4, Some(2)), (5, Some(98)), (6, Some(2))]);
    assert_eq!(walked(&tree), [(0, 1), (1, 2), (2, 4), (2, 6), (1, 3), (0, 5)]);
    assert_eq!(numbers(tree.roots()), [1, 5]);
    assert_eq!(numbers(tree.children(id(1))), [2, 3]);
    assert_eq!(numbers(tree.causes(id(6))), [2, 1]);
    assert_eq!(numbers(tree.causes(id(5))), [0_u64; 0]);
    let below: Vec<_> = tree.iter_from(id(2)).map(|caused| (caused.depth, caused.event.version.0)).collect();
    assert_eq!(below, [(0, 2), (1, 4), (1, 6)]);
    assert_eq!(tree.get(id(4)).map(|event| event.version.0), Some(4));
}

#[test]
fn of_an_event_that_is_not_there_nothing_is_known() {
    let tree = tree(&[(1, None)]);
    assert!(tree.get(id(2)).is_none());
    assert_eq!(numbers(tree.children(id(2))), [0_u64; 0]);
    assert_eq!(numbers(tree.causes(id(2))), [0_u64; 0]);
    assert_eq!(tree.iter_from(id(2)).count(), 0);
}

#[test]
fn an_effect_may_come_before_its_cause() {
    assert_eq!(walked(&tree(&[(2, Some(1)), (3, Some(2)), (1, None)])), [(0, 1), (1, 2), (2, 3)]);
}

#[test]
fn an_event_that_caused_itself_is_a_root() {
    let tree = tree(&[(1, Some(1)), (2, Some(1))]);
    assert_eq!(walked(&tree), [(0, 1), (1, 2)]);
    assert_eq!(numbers(tree.causes(id(1))), [0_u64; 0]);
}

#[test]
fn a_circle_is_cut_where_it_was_stored_first() {
    // 5 leads into the circle of 2, 3 and 4 from below, and stands before it.
    let tree = tree(&[(5, Some(3)), (3, Some(2)), (4, Some(3)), (2, Some(4)), (6, Some(4))]);
    assert_eq!(walked(&tree), [(0, 3), (1, 5), (1, 4), (2, 2), (2, 6)]);
    assert_eq!(numbers(tree.causes(id(2))), [4, 3]);
}

#[test]
fn several_circles_lose_nothing() {
    let tree = tree(&[(1, Some(2)), (2, Some(1)), (3, Some(4)), (4, Some(3)), (5, Some(5)), (6, Some(1))]);
    assert_eq!(walked(&tree), [(0, 1), (1, 2), (1, 6), (0, 3), (1, 4), (0, 5)]);
}

#[test]
fn every_choice_of_causes_gives_a_tree_of_all_events() {
    // Five events, each caused by any of them, or by none: every graph there is.
    for choice in 0..6_u64.pow(5) {
        let cause_of = |number: u64| choice / 6_u64.pow(u32::try_from(number).unwrap() - 1) % 6;
        let causes: Vec<_> =
            (1..=5).map(|number| (number, Some(cause_of(number)).filter(|cause| *cause > 0))).collect();
        let tree = tree(&causes);
        let mut seen: Vec<u64> = walked(&tree).into_iter().map(|(_, number)| number).collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5], "each event is in the tree once: {causes:?}");
        for caused in tree.iter() {
            assert_eq!(tree.causes(caused.event.id).count(), caused.depth, "as many causes as levels: {causes:?}");
            let parent = tree.causes(caused.event.id).next().map(|cause| cause.version.0);
            let stated = cause_of(caused.event.version.0);
            assert!(parent.is_none_or(|parent| parent == stated), "only stated causes are causes: {causes:?}");
        }
        let in_a_circle = |start: u64| {
            let round = std::iter::successors(Some(cause_of(start)), |at| (*at > 0).then(|| cause_of(*at)));
            round.take(6).any(|at| at == start)
        };
        let cut = (1..=5).filter(|number| cause_of(*number) > 0 && tree.causes(id((*number).into())).count() == 0);
        assert!(cut.into_iter().all(in_a_circle), "only circles are cut: {causes:?}");
    }
}

#[test]
fn several_events_under_one_id_are_all_kept() {
    let tree = CausationTree::new([event(1, None), event(1, None), event(2, Some(1)), event(1, Some(2))]);
    assert_eq!(walked(&tree), [(0, 1), (1, 2), (2, 1), (0, 1)]);
    assert_eq!(tree.len(), 4);
}

#[test]
fn a_chain_may_be_longer_than_a_stack_is_deep() {
    const LONG: u64 = 100_000;
    let tree = CausationTree::new((1..=LONG).map(|number| event(number, number.checked_sub(1))));
    let last = id(LONG.into());
    assert_eq!(tree.causes(last).count(), 99_999);
    assert_eq!(tree.iter().map(|caused| caused.depth).max(), Some(99_999));
    let shown = tree.to_string();
    assert_eq!(shown.lines().count(), 100_001);
    assert!(shown.lines().all(|line| line.chars().count() < 150), "a line does not grow with the chain");
    drop(tree.clone());
}

#[test]
fn nothing_is_a_tree_too() {
    let tree = CausationTree::default();
    assert!(tree.is_empty());
    assert_eq!(tree.to_string(), "no events");
}

/// An event of the story that is told below.
fn told(
    number: u64,
    cause: Option<u64>,
    millis: u64,
    event_type: &str,
    stream: (&'static str, &str),
    version: u64,
) -> Recorded<Untyped> {
    let mut event = event(number, cause);
    event.recorded_at = NOON + Duration::from_millis(millis);
    event.event.event_type = event_type.into();
    event.stream = StreamId::new(stream.0, stream.1).unwrap();
    event.version = Version(version);
    event
}

#[test]
fn it_prints_as_a_tree() {
    let mut events = vec![
        told(1, Some(99), 0, "order.placed", ("order", "7"), 1),
        told(2, Some(1), 4, "payment.requested", ("payment", "7"), 1),
        told(3, Some(1), 12, "stock.reserved", ("stock", "umbrella"), 31),
        told(4, Some(2), 1_730, "payment.failed", ("payment", "7"), 2),
        told(5, Some(4), 1_745, "order.cancelled", ("order", "7"), 2),
        told(6, Some(5), 1_751, "stock.released", ("stock", "umbrella"), 32),
        told(7, Some(98), 400_000, "order.noted", ("order", "7"), 3),
    ];
    for event in &mut events[..6] {
        event.metadata.actor = Some("ada".into());
    }
    events[0].metadata.source = Some("web".into());
    events[3].metadata.actor = Some("bank".into());
    events[6].metadata.actor = Some("bob".into());
    let shown = CausationTree::new(events).to_string();
    let wanted = "\
conversation 0193a7c5-7d2a-7cc0-8000-1d2f3a4b5c6d: 7 events of 3 streams, 2026-11-21T12:00:00Z
order.placed                order-7 @ 1          by ada  via web
├─ payment.requested        payment-7 @ 1        +4.0 ms
│  └─ payment.failed        payment-7 @ 2        +1.7 s  by bank
│     └─ order.cancelled    order-7 @ 2          +1.7 s  by ada
│        └─ stock.released  stock-umbrella @ 32  +1.8 s
└─ stock.reserved           stock-umbrella @ 31  +12 ms
order.noted                 order-7 @ 3          +7 min  by bob";
    assert_eq!(shown, wanted, "\n{shown}\n");
}

#[test]
fn a_cut_circle_is_told() {
    let shown = tree(&[(1, Some(2)), (2, Some(1))]).to_string();
    assert!(shown.lines().nth(1).unwrap().ends_with("(its cause follows from it)"), "{shown}");
    assert!(shown.lines().nth(2).unwrap().starts_with("└─ door.opened"), "{shown}");
}

#[test]
fn what_people_write_does_not_break_the_lines() {
    let mut events = [event(1, None), event(2, Some(1))];
    events[0].event.event_type = "two\nlines\u{1b}[31m".into();
    events[0].stream = StreamId::new("door", "a\nb").unwrap();
    events[1].metadata.actor = Some("c\nd".into());
    events[1].event.event_type = "x".repeat(100).into();
    let shown = CausationTree::new(events).to_string();
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn events_of_several_conversations_are_counted() {
    let mut events = [event(1, None), event(2, Some(1))];
    events[0].metadata.correlation_id = None;
    assert!(CausationTree::new(events).to_string().starts_with("2 conversations: 2 events of 1 stream, "));
}
