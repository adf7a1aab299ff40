//! Conversations across streams: whole at once, causes before effects; and events found by their ids.

use std::collections::BTreeMap;

use super::Candidate;
use super::read::append_meanwhile;
use super::support::{
    Lot, Seen, SeenEnough, added, append, assert_seen_enough, fill, ids, side_by_side, stream, stream_in, whole,
};
use super::tally::TallyEvent;
use crate::error::Error;
use crate::metadata::{CausationId, CorrelationId, EventId};
use crate::recorded::{NewEvent, RawEvent};
use crate::store::{Bookmark, DynEventStore, EventStoreExt, ReadConversation};
use crate::stream::ExpectedVersion::Any;
use crate::stream::StreamId;

const CATEGORIES: [&str; 3] = ["tally", "order", "invoice"];

/// An event of a conversation.
fn said(correlation: CorrelationId) -> NewEvent {
    caused(correlation, None)
}

fn caused(correlation: CorrelationId, cause: Option<EventId>) -> NewEvent {
    let mut event = added(1);
    event.metadata.correlation_id = Some(correlation);
    event.metadata.causation_id = cause.map(CausationId::from);
    event
}

async fn store_all<S: Candidate>(store: &S, stream: &StreamId, events: Vec<NewEvent>) -> Vec<EventId> {
    let ids = events.iter().map(|event| event.id).collect();
    append(store, stream, Any, events).await.expect("the append succeeds");
    ids
}

/// One page, and where to read on.
async fn page<S: Candidate>(store: &S, read: ReadConversation) -> (Vec<Seen>, Option<Bookmark>) {
    let mut seen = Vec::new();
    let mut visit = |raw: RawEvent<'_>| {
        seen.push(Seen::from(raw));
        Ok(())
    };
    let next = store.read_conversation(read, &mut visit).await.expect("a conversation can be read");
    (seen, next)
}

async fn conversation<S: Candidate>(store: &S, correlation: CorrelationId) -> Vec<Seen> {
    let (seen, next) = page(store, ReadConversation::of(correlation)).await;
    assert_eq!(next, None, "a conversation that was read without a limit has nothing more");
    seen
}

/// A stream of one of three categories.
fn drawn(lot: &mut Lot, ids: u64) -> StreamId {
    let category: &&'static str = lot.one_of(&CATEGORIES);
    stream_in(category, &lot.below(ids).to_string())
}

/// Appends one after the other to streams of three categories, of one to three events each, by turns of two conversations. Gives
/// back what each of them has.
async fn talk<S: Candidate>(store: &S, appends: u64) -> [(CorrelationId, Vec<EventId>); 2] {
    let mut talks = [(CorrelationId::new(), Vec::new()), (CorrelationId::new(), Vec::new())];
    let mut lot = Lot::new();
    for nth in 0..appends {
        let stream = drawn(&mut lot, 3);
        for (turn, (correlation, spoken)) in (0..).zip(&mut talks) {
            if turn == nth % 2 {
                let events = (0..=lot.below(3)).map(|_| said(*correlation)).collect();
                spoken.extend(store_all(store, &stream, events).await);
            }
        }
        fill(store, &stream, [nth]).await;
    }
    talks
}

/// A conversation has its events of all categories, in the order of their appends, and no others.
pub async fn a_conversation_has_its_events_of_every_category<S: Candidate>(store: S) {
    for (correlation, spoken) in talk(&store, 24).await {
        let seen = ids(&conversation(&store, correlation).await);
        assert_eq!(seen, spoken, "a conversation has its events of all categories, in order, and no others");
    }
}

/// What is read of an event in its conversation is what is read of it in its stream: every part, and no position.
pub async fn a_conversation_shows_what_the_streams_show<S: Candidate>(store: S) {
    let [(correlation, _), _] = talk(&store, 12).await;
    for seen in conversation(&store, correlation).await {
        let in_stream = whole(&store, &seen.stream).await;
        let same = in_stream.into_iter().find(|event| event.version == seen.version);
        assert_eq!(Some(seen), same, "a conversation shows of an event what its stream shows");
    }
}

/// An event whose metadata names no conversation begins one, under its own id. One that names another does not.
pub async fn an_event_without_a_conversation_begins_one<S: Candidate>(store: S) {
    let first = store_all(&store, &stream("first"), vec![added(1)]).await;
    let begun = CorrelationId(first[0].0);
    assert_eq!(ids(&conversation(&store, begun).await), first, "an event begins a conversation under its own id");
    let answers = store_all(&store, &stream_in("order", "1"), vec![said(begun), said(begun)]).await;
    let named = store_all(&store, &stream("named"), vec![said(CorrelationId::new())]).await;
    let seen = ids(&conversation(&store, begun).await);
    assert_eq!(seen, [first, answers].concat(), "a conversation has the event that begins it, and those that name it");
    let elsewhere = conversation(&store, CorrelationId(named[0].0)).await;
    assert!(elsewhere.is_empty(), "an event that belongs to a conversation begins none of its own");
}

/// A conversation that nobody has spoken in has nothing to visit, and that is no error.
pub async fn an_unknown_conversation_has_nothing_to_visit<S: Candidate>(store: S) {
    talk(&store, 4).await;
    assert!(conversation(&store, CorrelationId::new()).await.is_empty(), "nothing was said, so nothing is visited");
}

/// Whatever was acknowledged is there at once, whether anybody has read the log since or not.
pub async fn what_was_acknowledged_is_in_its_conversation_at_once<S: Candidate>(store: S) {
    let (correlation, mut spoken) = (CorrelationId::new(), Vec::new());
    for nth in 0..20 {
        let stream = stream_in(CATEGORIES[nth % 3], "1");
        spoken.extend(store_all(&store, &stream, vec![said(correlation)]).await);
        let seen = ids(&conversation(&store, correlation).await);
        assert_eq!(seen, spoken, "a conversation has at once what was acknowledged");
    }
}

/// An event whose writer had seen another one comes behind it, whatever the streams, and whoever writes beside.
pub async fn causes_come_before_their_effects<S: Candidate>(store: S) {
    let (correlation, mut lot) = (CorrelationId::new(), Lot::new());
    let beginning = store_all(&store, &stream("beginning"), vec![said(correlation)]).await[0];
    let writers: Vec<_> = (0..6).map(|_| chain(store.clone(), correlation, beginning, lot.split())).collect();
    side_by_side(writers).await;
    let seen = conversation(&store, correlation).await;
    assert_eq!(seen.len(), 6 * 20 + 1, "a conversation has every event once");
    let places: BTreeMap<EventId, usize> = ids(&seen).into_iter().zip(0..).collect();
    for (event, place) in seen.iter().zip(0..) {
        let cause = event.metadata.causation_id.map(|cause| places.get(&EventId(cause.0)));
        assert!(cause.is_none_or(|cause| cause < Some(&place)), "causes come before their effects: {seen:?}");
    }
}

/// Twenty events, each in a stream by lot, each because of the one before.
async fn chain<S: Candidate>(store: S, correlation: CorrelationId, mut cause: EventId, mut lot: Lot) {
    for _ in 0..20 {
        let stream = drawn(&mut lot, 4);
        cause = store_all(&store, &stream, vec![caused(correlation, Some(cause))]).await[0];
    }
}

/// Pages of any size give the same sequence, and the last says that nothing more is there.
pub async fn pages_of_a_conversation_follow_each_other_without_a_seam<S: Candidate>(store: S) {
    let [(correlation, spoken), _] = talk(&store, 14).await;
    for limit in (1..=spoken.len() as u64 + 2).chain([u64::MAX]) {
        let (mut paged, mut next) = (Vec::new(), Some(Bookmark::START));
        while let Some(after) = next {
            let (seen, behind) = page(&store, ReadConversation::of(correlation).after(after).limit(limit)).await;
            assert!(seen.len() as u64 <= limit, "no more than `limit` events are visited");
            assert!(behind.is_none_or(|behind| behind > after), "a page that is not the last one leads on");
            paged.extend(ids(&seen));
            next = behind;
        }
        assert_eq!(paged, spoken, "pages of {limit} give the same sequence as any other");
    }
    let (none, _) = page(&store, ReadConversation::of(correlation).limit(0)).await;
    assert!(none.is_empty(), "with a limit of 0 nothing is visited");
}

/// An event is found by its id alone, as its stream shows it; under an id that nobody used nothing is found.
pub async fn an_event_is_found_by_its_id<S: Candidate>(store: S) {
    talk(&store, 6).await;
    for id in CATEGORIES {
        let stream = stream_in(id, "found");
        fill(&store, &stream, 1..=3).await;
        for event in whole(&store, &stream).await {
            assert_eq!(found(&store, event.id).await, [event], "an event is found by its id, as its stream shows it");
        }
    }
    assert_eq!(found(&store, EventId::new()).await, [], "under an id that nobody used nothing is found");
}

async fn found<S: Candidate>(store: &S, id: EventId) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut visit = |raw: RawEvent<'_>| {
        seen.push(Seen::from(raw));
        Ok(())
    };
    store.find_event(id, &mut visit).await.expect("an event can be looked for");
    seen
}

/// An error of the visitor ends the read and comes back from it.
pub async fn an_error_of_the_visitor_ends_the_conversation<S: Candidate>(store: S) {
    let [(correlation, spoken), _] = talk(&store, 8).await;
    let mut visited = 0;
    let mut visit = |_: RawEvent<'_>| {
        visited += 1;
        if visited == 3 { Err(Error::store(SeenEnough)) } else { Ok(()) }
    };
    assert_seen_enough(store.read_conversation(ReadConversation::of(correlation), &mut visit).await);
    assert_eq!(visited, 3, "an error of the visitor ends the read: nothing is visited after it");
    let mut refuse = |_: RawEvent<'_>| Err(Error::store(SeenEnough));
    assert_seen_enough(store.find_event(spoken[0], &mut refuse).await);
    assert_eq!(ids(&conversation(&store, correlation).await), spoken, "a read that ended early does no harm");
}

/// No lock is held while the visitor runs: another task can append to the stream of the very event that is visited.
pub async fn no_lock_is_held_while_a_conversation_is_visited<S: Candidate>(store: S) {
    let (stream, correlation) = (stream("unlocked"), CorrelationId::new());
    let spoken = store_all(&store, &stream, vec![said(correlation)]).await;
    let mut appended = append_meanwhile(&store, &stream);
    let mut visit = |_: RawEvent<'_>| {
        appended();
        Ok(())
    };
    store.read_conversation(ReadConversation::of(correlation), &mut visit).await.expect("the read succeeds");
    store.find_event(spoken[0], &mut visit).await.expect("the event can be looked for");
    assert_eq!(whole(&store, &stream).await.len(), 3, "what was appended while a visitor ran is stored");
}

/// The typed events of a conversation come in pages, of which the reader notices nothing; so do those without a type.
pub async fn typed_conversations_turn_pages_without_loss<S: Candidate>(store: S) {
    let (correlation, mut spoken) = (CorrelationId::new(), Vec::new());
    for nth in 0..11 {
        let events = (0..100).map(|_| said(correlation)).collect();
        spoken.extend(store_all(&store, &stream(&(nth % 3).to_string()), events).await);
    }
    let unknown = NewEvent { event_type: "order.gifted".into(), ..said(correlation) };
    let with_unknown = [spoken.clone(), store_all(&store, &stream_in("order", "1"), vec![unknown]).await].concat();
    let known = store.conversation::<TallyEvent>(correlation).known_only().collect().await;
    let known: Vec<EventId> = known.expect("what is known can be read").iter().map(|event| event.id).collect();
    assert_eq!(known, spoken, "typed events come in order, without those that are passed over");
    let untyped = store.untyped_conversation(correlation).collect().await.expect("nothing has to be known");
    let untyped: Vec<EventId> = untyped.iter().map(|event| event.id).collect();
    assert_eq!(untyped, with_unknown, "untyped events come in order, all of them");
    let refused = store.conversation::<TallyEvent>(correlation).collect().await;
    assert!(matches!(refused, Err(Error::Decode { .. })), "an unknown type is an error unless it is passed over");
}

/// The tree of an event is that of its whole conversation, on the store and behind its object-safe twin.
pub async fn the_tree_of_an_event_is_that_of_its_conversation<S: Candidate>(store: S) {
    let (correlation, twin) = (CorrelationId::new(), DynEventStore::new(store.clone()));
    let mut cause = store_all(&store, &stream("beginning"), vec![said(correlation)]).await[0];
    let root = cause;
    for category in CATEGORIES {
        cause = store_all(&store, &stream_in(category, "1"), vec![caused(correlation, Some(cause))]).await[0];
    }
    for asked in [root, cause] {
        let tree = twin.causation_tree_of(asked).await.expect("the tree can be read").expect("there is such an event");
        let chain: Vec<usize> = tree.iter().map(|caused| caused.depth).collect();
        assert_eq!(chain, [0, 1, 2, 3], "the tree has the whole conversation, each event below its cause");
        assert_eq!(tree.causes(cause).last().map(|event| event.id), Some(root), "causes lead up to the root");
    }
    let none = twin.causation_tree_of(EventId::new()).await.expect("the tree can be read");
    assert!(none.is_none(), "an event that is not there has no tree");
}
