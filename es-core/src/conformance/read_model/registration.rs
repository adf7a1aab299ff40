//! Registration: what a projection begins with, and what becomes of one that is known already.

use uuid::Uuid;

use super::support::{
    LONG, advance, claim, divided, document, get, granted, is_setup, of_documents, owned, projection, register,
    registered, registered_version, release, renew, save, some, status, taken, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{fill, side_by_side, stream};
use crate::read_model::{Control, ProjectionState, ReadModelKind, Registration, Renewal, TakenIn};
use crate::recorded::Position;
use crate::store::EventFilter;

/// A new projection has its checkpoint at the start of the log, and runs.
pub async fn a_projection_begins_at_the_start_of_the_log<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("before"), 1..=3).await;
    let id = registered(&store, "fresh").await;
    let seen = status(&store, &id).await;
    assert_eq!(seen.position, Position::START, "a projection begins at the start of the log");
    assert_eq!((seen.events, seen.parked), (0, 0), "it has taken in nothing");
    assert_eq!((&seen.state, seen.owner()), (&ProjectionState::Running, None), "it is meant to run, and nobody works");
    assert_eq!((seen.rate, &seen.last_error), (0, &None), "nothing goes on, and nothing goes wrong");
    assert!(!seen.has_caught_up(), "it has its history before it");
    let lease = taken(&store, &id).await;
    assert_eq!((lease.id, lease.position), (id, Position::START), "the lease says where it is");
    assert_eq!((lease.task, lease.barrier), (None, None), "there is nothing to be done first");
}

/// Who registers a known projection changes neither its checkpoint, nor its history, nor its lease.
pub async fn registering_again_changes_nothing<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("again"), 1..=3).await;
    let lease = owned(&store, "again").await;
    advance(&store, &lease, 2, 2).await.expect("the holder moves the checkpoint");
    save(&store, &lease.id, &[document("a", "1")]).await;
    fill(&store, &stream("again"), 4..=6).await;
    registered(&store, "again").await;
    let seen = status(&store, &lease.id).await;
    assert_eq!((seen.position, seen.events), (Position(2), 2), "a known projection stays where it is");
    assert_eq!(get(&store, &lease.id, &["a"]).await, [some("1")], "its documents stay");
    assert_eq!(renew(&store, &lease).await, Renewal::Kept, "its lease stays the newest");
    release(&store, &lease).await;
    let anew = taken(&store, &lease.id).await;
    assert_eq!(anew.live_from, lease.live_from, "what is history to it was settled when it was registered first");
}

/// Whoever made room for it may have more to do.
pub async fn registering_tells_whether_it_was_new<S: ReadModelCandidate>(store: S) {
    let known = of_documents("told");
    assert!(register(&store, &known).await, "the first one makes it");
    assert!(!register(&store, &known).await, "it is known by then");
    let next = Registration { id: projection("told", 2), ..known };
    assert!(register(&store, &next).await, "another version is another projection");
}

/// Processes start at the same time.
pub async fn one_of_parallel_registrations_makes_it<S: ReadModelCandidate>(store: S) {
    for round in 0..10 {
        let same = Registration { indexed: &["owner"], parts: 3, ..of_documents(&format!("rush_{round}")) };
        let tasks = (0..8).map(|_| {
            let (store, same) = (store.clone(), same.clone());
            async move { register(&store, &same).await }
        });
        let made = side_by_side(tasks).await.into_iter().filter(|new| *new).count();
        assert_eq!(made, 1, "one of parallel registrations makes it, and the others find it there");
        assert_eq!(store.parts(&same.id).await.expect("parts can be listed").len(), 3, "its parts are made once");
    }
}

/// Projectors' tables and documents have nothing in common, and reactors have neither.
pub async fn a_projection_stays_of_its_kind<S: ReadModelCandidate>(store: S) {
    let kinds = [
        ("documents", ReadModelKind::Documents),
        ("projector", ReadModelKind::Projector),
        ("reactor", ReadModelKind::Reactor),
    ];
    for (name, kind) in kinds {
        let first = Registration::new(projection(name, 1), kind);
        assert!(register(&store, &first).await, "it is new");
        for (_, other) in kinds.into_iter().filter(|(_, other)| *other != kind) {
            let wanted = Registration { kind: other, ..first.clone() };
            let refused = store.register(&wanted).await;
            is_setup(store.register(&wanted).await, "the projection is known as one of another kind");
            let why = wanted.check_same(kind, false).expect_err("it is of another kind");
            assert_eq!(refused.expect_err("it is known").to_string(), why.to_string(), "every store says the same");
        }
        assert!(!register(&store, &first).await, "it stays of its kind");
    }
}

/// However many it is asked for the next time.
pub async fn a_known_projection_stays_as_it_is_divided<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "settled", 3).await;
    let before = store.parts(&id).await.expect("parts can be listed");
    for parts in [1, 5] {
        divided(&store, "settled", parts).await;
        assert_eq!(store.parts(&id).await.expect("parts can be listed"), before, "it stays as it is divided");
    }
}

/// Another version is another projection; and so are its documents.
pub async fn versions_of_a_projection_are_kept_apart<S: ReadModelCandidate>(store: S) {
    let (one, two) = (registered(&store, "twin").await, registered_version(&store, "twin", 2).await);
    let lease = taken(&store, &one).await;
    granted(claim(&store, &two, Uuid::now_v7(), LONG).await);
    advance(&store, &lease, 5, 5).await.expect("the holder moves the checkpoint");
    save(&store, &one, &[document("a", "1")]).await;
    assert_eq!(status(&store, &two).await.position, Position::START, "each version has a checkpoint of its own");
    assert_eq!(get(&store, &two, &["a"]).await, [None], "each version has documents of its own");
}

/// The log as it is when a projection is registered is history to it, and what comes later is not.
pub async fn what_is_there_at_registration_is_history<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("history"), 1..=3).await;
    let end = store.log_end().await.expect("the log has an end");
    let lease = owned(&store, "history").await;
    assert_eq!(lease.live_from, end, "what is in the log at registration is history");
    assert_eq!(status(&store, &lease.id).await.live_from, end, "the status says so, too");
    fill(&store, &stream("history"), 4..=6).await;
    release(&store, &lease).await;
    let again = taken(&store, &lease.id).await;
    assert_eq!(again.live_from, end, "what comes after registration is not history");
}

/// To one without history the first event of the log is as present as the last.
pub async fn all_is_present_to_one_without_history<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("present"), 1..=3).await;
    let id = projection("present", 1);
    let without = Registration { has_history: false, ..Registration::new(id.clone(), ReadModelKind::Reactor) };
    assert!(register(&store, &without).await, "it is new");
    let lease = taken(&store, &id).await;
    assert_eq!((lease.position, lease.live_from), (Position::START, Position::START), "nothing is history to it");
    release(&store, &lease).await;
    assert!(!register(&store, &Registration { has_history: true, ..without }).await, "it is known");
    assert_eq!(taken(&store, &id).await.live_from, Position::START, "what was settled first stays");
}

/// By their names' bytes, then by their versions as numbers.
pub async fn projections_are_listed_in_the_order_of_their_ids<S: ReadModelCandidate>(store: S) {
    let names = ["ab", "a_b", "a1", "a", "b", "a_", "a0b"];
    let mut ids: Vec<_> = names.iter().flat_map(|name| [10, 2, 1].map(|version| projection(name, version))).collect();
    for id in &ids {
        register(&store, &Registration::new(id.clone(), ReadModelKind::Documents)).await;
    }
    ids.sort_unstable();
    let listed = store.projections().await.expect("projections can be listed");
    let listed: Vec<_> = listed.into_iter().map(|status| status.id).collect();
    assert_eq!(listed, ids, "projections are listed in the order of their ids");
}

/// So that one which wants to see more than before is not taken for one that has seen it.
pub async fn what_is_wanted_is_kept_when_it_is_taken_up<S: ReadModelCandidate>(store: S) {
    let taken_in = async |id| store.taken_in(id).await.expect("what was taken in can be asked for");
    let id = projection("wants", 1);
    let all = EventFilter::all();
    store.take_up(&id, &all).await.expect("nothing happens to what is not registered");
    assert_eq!(taken_in(&id).await, None, "it is not known");
    let id = registered(&store, "wants").await;
    assert_eq!(taken_in(&id).await, None, "nobody has said what is wanted");
    let some = EventFilter::categories(["loan", "fine"]).types(["loan.lent", "fine.paid"]);
    for wanted in [&some, &all, &some] {
        store.take_up(&id, wanted).await.expect("it can be taken up");
        assert_eq!(taken_in(&id).await, Some(TakenIn::new(wanted.clone(), Position::START)), "the last word holds");
    }
    assert!(!register(&store, &of_documents("wants")).await, "it is known");
    assert_eq!(taken_in(&id).await.map(|kept| kept.filter), Some(some), "who registers it changes nothing");
}

/// It is where its furthest part is, unless it goes back.
pub async fn what_is_to_be_taken_in_again_is_not_behind_it<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("behind"), 1..=9).await;
    let id = divided(&store, "behind", 2).await;
    store.take_up(&id, &EventFilter::all()).await.expect("it can be taken up");
    let to = async || store.taken_in(&id).await.expect("it can be asked for").map(|taken_in| taken_in.to);
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    assert_eq!(to().await, Some(Position::START), "it begins at the start");
    for (lease, place) in leases.iter().zip([5, 7]) {
        advance(&store, lease, place, place).await.expect("the holder moves the checkpoint");
    }
    assert_eq!(to().await, Some(Position(7)), "it is where its furthest part is");
    for (word, place) in [(Control::Rewind { to: Position(3) }, Position(3)), (Control::Rebuild, Position::START)] {
        store.control(&id, word).await.map(drop).expect("word can be left");
        assert_eq!(to().await, Some(place), "what comes again is not behind it");
    }
    let inline = Registration { inline: true, ..of_documents("inline_behind") };
    assert!(register(&store, &inline).await, "it is new");
    store.take_up(&inline.id, &EventFilter::all()).await.expect("it can be taken up");
    let end = store.log_end().await.expect("the log has an end");
    let seen = store.taken_in(&inline.id).await.expect("it can be asked for").map(|taken_in| taken_in.to);
    assert_eq!(seen, Some(end), "what is written inline is always at the end of the log");
}
