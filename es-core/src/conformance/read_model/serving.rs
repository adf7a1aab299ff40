//! The version that serves, and versions that nobody needs any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::support::{
    advance, begin, commit, control, divided, document, get, is_fenced, is_refused, letter, letters, moved,
    of_documents, post, projection, reached, register, registered, registered_version, release, renew, save, serving,
    some, status, taken, taken_parts,
};
use crate::conformance::ReadModelCandidate;
use crate::conformance::support::{fill, side_by_side, stream};
use crate::read_model::{Control, ProjectionId, ReadModelKind, ReadModelTransaction, Refusal, Registration, Renewal};
use crate::recorded::Position;

/// Until somebody says otherwise.
pub async fn the_first_version_of_a_name_serves<S: ReadModelCandidate>(store: S) {
    assert_eq!(serving(&store, "served").await, None, "of an unknown name no version serves");
    let three = registered_version(&store, "served", 3).await;
    assert_eq!(serving(&store, "served").await, Some(three.clone()), "the first version that is registered serves");
    let other = registered(&store, "served_too").await;
    for version in [1, 4, 3] {
        registered_version(&store, "served", version).await;
        assert_eq!(serving(&store, "served").await, Some(three.clone()), "later ones are built beside it");
    }
    assert_eq!(serving(&store, "served_too").await, Some(other), "each name has a version that serves");
    let told: Vec<_> = served(&store, "served").await;
    assert_eq!(told, [three], "the status says so, too");
}

/// Those whose status says that they serve.
async fn served<S: ReadModelCandidate>(store: &S, name: &str) -> Vec<ProjectionId> {
    let all = store.projections().await.expect("projections can be listed");
    let serving = all.into_iter().filter(|status| status.serving && status.id.name() == name);
    serving.map(|status| status.id).collect()
}

/// Processes that start at the same time may be of different releases.
pub async fn one_of_parallel_first_versions_serves<S: ReadModelCandidate>(store: S) {
    for round in 0..10 {
        let name = format!("starters_{round}");
        let tasks = (1..=6).map(|version| {
            let (store, id) = (store.clone(), projection(&name, version));
            async move { register(&store, &Registration::new(id, ReadModelKind::Documents)).await }
        });
        side_by_side(tasks).await;
        let first = served(&store, &name).await;
        assert_eq!(first.len(), 1, "exactly one version of a name serves: {first:?}");
        assert_eq!(serving(&store, &name).await.as_ref(), first.first(), "everybody is told the same one");
    }
}

/// Readers would see what is not there yet.
pub async fn a_version_serves_when_it_has_caught_up<S: ReadModelCandidate>(store: S) {
    fill(&store, &stream("catching up"), 1..=9).await;
    let end = store.log_end().await.expect("the log has an end");
    let one = registered(&store, "switched").await;
    let two = Registration { parts: 2, ..Registration::new(projection("switched", 2), ReadModelKind::Documents) };
    register(&store, &two).await;
    let leases = taken_parts(&store, &two.id, Uuid::now_v7()).await;
    moved(&store, &leases[0], end.0).await;
    for short in [Position::START, Position(end.0 - 1)] {
        moved(&store, &leases[1], short.0).await;
        assert!(!status(&store, &two.id).await.has_caught_up(), "one of its parts is behind");
        is_refused(store.control(&two.id, Control::Serve).await, Refusal::Behind { at: short, history: end }, &two.id);
        assert_eq!(serving(&store, "switched").await, Some(one.clone()), "so the other one serves on");
    }
    moved(&store, &leases[1], end.0).await;
    assert!(control(&store, &two.id, Control::Rebuild).await, "a known projection can be rebuilt");
    assert!(!status(&store, &two.id).await.has_caught_up(), "what it has taken in will not stay");
    is_refused(store.control(&two.id, Control::Serve).await, Refusal::NotBack, &two.id);
    let mut transaction = begin(&store).await;
    let held = taken(&store, &two.id).await;
    transaction.dismiss(&held).await.expect("the holder dismisses the task");
    commit(transaction).await;
    fill(&store, &stream("catching up"), 10..=12).await;
    assert!(control(&store, &two.id, Control::Serve).await, "what came later is not history to it");
    assert_eq!(serving(&store, "switched").await, Some(two.id.clone()), "everybody is told the new one");
    assert_eq!(served(&store, "switched").await, std::slice::from_ref(&two.id), "the other one serves no more");
    assert!(control(&store, &two.id, Control::Serve).await, "it may be asked again");
    assert_eq!(served(&store, "switched").await, [two.id], "and serves on");
}

/// Whoever reads finds one at any time.
pub async fn exactly_one_version_serves_at_any_time<S: ReadModelCandidate>(store: S) {
    let ids: Vec<ProjectionId> = (1..=4).map(|version| projection("contested", version)).collect();
    for id in &ids {
        registered_version(&store, "contested", id.version()).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let watching = {
        let (store, done) = (store.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(served(&store, "contested").await.len(), 1, "exactly one version serves at any time");
                assert!(
                    serving(&store, "contested").await.is_some(),
                    "a name that has versions always has one to read"
                );
            }
        })
    };
    for _ in 0..25 {
        let tasks = ids.clone().into_iter().map(|id| {
            let store = store.clone();
            async move { control(&store, &id, Control::Serve).await }
        });
        assert_eq!(side_by_side(tasks).await, [true; 4], "each of them can serve");
        let last = served(&store, "contested").await;
        assert_eq!(last.len(), 1, "whoever asked last serves alone: {last:?}");
        assert_eq!(serving(&store, "contested").await.as_ref(), last.first(), "everybody is told the same one");
    }
    done.store(true, Ordering::Relaxed);
    watching.await.expect("whoever looks finds one at any time");
}

async fn dropped<S: ReadModelCandidate>(store: &S, id: &ProjectionId) -> bool {
    store.drop_projection(id).await.expect("a projection that nobody needs can be dropped")
}

/// Everything about it, and nothing about another.
pub async fn a_dropped_projection_is_forgotten<S: ReadModelCandidate>(store: S) {
    let registration = Registration { parts: 3, indexed: &["owner"], ..of_documents("forgotten") };
    register(&store, &registration).await;
    let (id, other) = (registration.id.clone(), registered(&store, "remembered").await);
    for of in [&id, &other] {
        for held in taken_parts(&store, of, Uuid::now_v7()).await {
            moved(&store, &held, 40).await;
            release(&store, &held).await;
        }
        post(&store, of, &[letter(1, 10)]).await;
        save(&store, of, &[document("a", r#"{"owner":"ada"}"#)]).await;
    }
    assert!(dropped(&store, &id).await, "a known projection can be dropped");
    assert!(!dropped(&store, &id).await, "what is dropped is not there");
    assert_eq!(store.parts(&id).await.expect("parts can be listed"), [], "its parts are gone");
    assert_eq!(reached(&store, &id).await, None, "its checkpoints are gone");
    assert_eq!(letters(&store, &id).await, [], "its dead letters are gone");
    assert_eq!(serving(&store, "forgotten").await, None, "it does not serve");
    let left: Vec<_> =
        store.projections().await.expect("projections can be listed").into_iter().map(|p| p.id).collect();
    assert_eq!(left, std::slice::from_ref(&other), "it is not listed");
    assert!(!control(&store, &id, Control::Rebuild).await, "word for it finds nothing");
    assert_eq!(
        (reached(&store, &other).await, letters(&store, &other).await.len()),
        (Some(Position(40)), 1),
        "others stay"
    );
    assert_eq!(get(&store, &other, &["a"]).await, [some(r#"{"owner":"ada"}"#)], "and so do their documents");
}

/// It begins at the start of the log, as one that never was.
pub async fn a_dropped_projection_can_begin_anew<S: ReadModelCandidate>(store: S) {
    let id = registered(&store, "reborn").await;
    let asleep = taken(&store, &id).await;
    moved(&store, &asleep, 7).await;
    post(&store, &id, &[letter(1, 3)]).await;
    save(&store, &id, &[document("a", "1")]).await;
    assert!(control(&store, &id, Control::Rebuild).await, "a rebuild can be asked for");
    assert!(control(&store, &id, Control::Pause).await, "a known projection can be paused");
    assert!(dropped(&store, &id).await, "a known projection can be dropped");
    fill(&store, &stream("reborn"), 1..=3).await;
    let end = store.log_end().await.expect("the log has an end");
    assert!(register(&store, &of_documents("reborn")).await, "it is as good as new");
    let seen = status(&store, &id).await;
    assert_eq!((seen.position, seen.events, seen.parked), (Position::START, 0, 0), "it begins at the start of the log");
    assert_eq!((seen.live_from, seen.serving), (end, true), "with another history, as the first of its name");
    assert_eq!(get(&store, &id, &["a"]).await, [None], "its documents are gone");
    let newest = taken(&store, &id).await;
    assert_eq!((newest.task, newest.position), (None, Position::START), "no word is left");
    assert_eq!(renew(&store, &asleep).await, Renewal::Lost, "whoever slept through it is not the owner of the new one");
    is_fenced(advance(&store, &asleep, 8, 1).await, &id);
    assert_eq!(status(&store, &id).await.position, Position::START, "and moves nothing");
    assert_eq!(renew(&store, &newest).await, Renewal::Kept, "nor does it harm the owner");
    projectors_can_begin_anew(&store).await;
}

/// What a projector wrote to tables of its own is its own affair, and nothing of the store's.
async fn projectors_can_begin_anew<S: ReadModelCandidate>(store: &S) {
    let id = divided(store, "projector", 1).await;
    assert!(dropped(store, &id).await, "a projector's can be dropped, too");
    let other = Registration { parts: 3, ..Registration::new(id.clone(), ReadModelKind::Documents) };
    assert!(register(store, &other).await, "and its name is free, also for documents");
    assert_eq!(status(store, &id).await.parts.len(), 3, "it is what it was registered as");
}

/// Whoever works would write to what is not there.
pub async fn what_somebody_works_on_is_not_dropped<S: ReadModelCandidate>(store: S) {
    let id = divided(&store, "manned", 3).await;
    let leases = taken_parts(&store, &id, Uuid::now_v7()).await;
    for held in &leases {
        is_refused(store.drop_projection(&id).await, Refusal::WorkedOn, &id);
        assert_eq!(renew(&store, held).await, Renewal::Kept, "and is left alone");
        release(&store, held).await;
    }
    assert!(dropped(&store, &id).await, "nobody works any more");
}

/// Readers would find nothing, where there is something to be found.
pub async fn what_serves_is_not_dropped_while_another_could<S: ReadModelCandidate>(store: S) {
    let (one, two) = (registered(&store, "needed").await, registered_version(&store, "needed", 2).await);
    save(&store, &one, &[document("a", "1")]).await;
    save(&store, &two, &[document("a", "2")]).await;
    is_refused(store.drop_projection(&one).await, Refusal::Serving, &one);
    assert_eq!(get(&store, &one, &["a"]).await, [some("1")], "so it is still there");
    assert!(control(&store, &two, Control::Serve).await, "a version that has caught up can serve");
    assert!(dropped(&store, &one).await, "it serves no more");
    assert_eq!(serving(&store, "needed").await, Some(two.clone()), "the other one serves on");
    assert_eq!(get(&store, &two, &["a"]).await, [some("2")], "with its documents");
    assert!(dropped(&store, &two).await, "there is no other that could");
    assert_eq!(serving(&store, "needed").await, None, "then none serves");
    let three = registered_version(&store, "needed", 3).await;
    assert_eq!(serving(&store, "needed").await, Some(three), "the next one is the first of its name again");
}
