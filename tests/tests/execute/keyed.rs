//! Commands under idempotency keys, on a store that fails on demand and under read models.

use es_core::{Document, Inline, IntoKeys, InvalidIdempotencyKey, Keyed, ReadModels, Recorded};
use uuid::Uuid;

use super::*;

fn keyed() -> Keyed {
    Keyed::new("k".parse().unwrap(), Uuid::nil())
}

#[tokio::test]
async fn an_unknown_outcome_is_found_out_by_trying_again() {
    for (store, repeated) in [(Faulty::default().forgetful(2), true), (Faulty::default().mute(2), false)] {
        let outcome = store.execute(deposit(5)).keyed(keyed()).retry(quick()).await.unwrap();
        assert_eq!(outcome.repeated, repeated, "{outcome:?}");
        assert_eq!((outcome.version, outcome.state.balance), (Version(1), 5));
        assert_eq!(store.load::<Account>("ada").await.unwrap().balance, 5, "it happened once");
    }
}

#[tokio::test]
async fn an_unknown_outcome_without_a_key_is_left_to_the_caller() {
    let store = Faulty::default().forgetful(1);
    let refused = store.execute(deposit(5)).retry(quick()).await.unwrap_err();
    assert!(matches!(refused, ExecuteError::Store(Error::UnknownOutcome { .. })), "{refused:?}");
    assert_eq!(store.appends(), 1);
}

#[tokio::test]
async fn a_repeat_reaches_no_append() {
    let store = Faulty::default();
    store.execute(deposit(5)).keyed(keyed()).await.unwrap();
    let again = store.execute(withdraw(9)).keyed(keyed()).expect(Version(7)).await.unwrap();
    assert!(again.repeated, "the fingerprint is the caller's, and so it says what is the same");
    assert_eq!((again.attempts, store.appends()), (1, 1));
}

/// A withdrawal that leaves nothing to decide it again on.
async fn another_process_between(place: impl Fn(Faulty, Append) -> Faulty) {
    let event = NewEvent::encode(&Event::Withdrawn { amount: 5 }, &Metadata::default()).unwrap();
    let first = Append::new(stream(), ExpectedVersion::Any, vec![event.clone()]).keyed(keyed());
    let store = Faulty::default();
    store.inner.append_events::<Account>("ada", ExpectedVersion::Any, Event::Deposited { amount: 5 }).await.unwrap();
    let store = place(store, first);
    let outcome = store.execute(withdraw(5)).keyed(keyed()).expect(Version(1)).retry(Retry::never()).await.unwrap();
    assert!(outcome.repeated, "it is done, and no reason to refuse it");
    assert_eq!((outcome.version, outcome.state.balance, outcome.events[0].id), (Version(2), 0, event.id));
}

#[tokio::test]
async fn the_same_command_in_another_process_is_no_reason_to_refuse_it() {
    another_process_between(Faulty::after_load).await;
    another_process_between(Faulty::after_look).await;
}

#[tokio::test]
async fn a_repeat_takes_no_snapshot() {
    let store = Faulty::default();
    for amount in 1..=3 {
        store.execute(deposit(amount)).keyed(Keyed::new("k".parse().unwrap(), Uuid::nil())).await.unwrap();
        store.execute(deposit(amount)).await.unwrap();
    }
    assert_eq!(store.offered(), [3], "one event under the key, and three without");
}

#[derive(Clone, Command, Serialize)]
#[command(aggregate = Account, handle = give, error = Infallible)]
struct Give {
    id: String,
    unwritable: Option<std::collections::BTreeMap<Vec<u8>, u8>>,
}

fn give(_: &Account, _: Give, _: &Context) -> Result<Event, Infallible> {
    Ok(Event::Deposited { amount: 1 })
}

fn invalid(error: ExecuteError<Infallible>) -> InvalidIdempotencyKey {
    match error {
        ExecuteError::Store(Error::InvalidKey(invalid)) => invalid,
        other => panic!("not about the key: {other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_have_a_key_is_told_before_anything_is_asked() {
    let store = Faulty::default().unavailable(1);
    let give = || Give { id: ada(), unwritable: None };
    let long = "k".repeat(256);
    for (key, expected) in [
        ("", InvalidIdempotencyKey::Empty),
        ("a\0b", InvalidIdempotencyKey::Nul),
        (&long, InvalidIdempotencyKey::TooLong { bytes: 256 }),
    ] {
        assert_eq!(invalid(store.execute(give()).idempotency_key(key).await.unwrap_err()), expected);
    }
    let unwritable = Give { unwritable: Some([(vec![1], 1)].into()), ..give() };
    let refused = invalid(store.execute(unwritable).idempotency_key("k").await.unwrap_err());
    assert!(matches!(refused, InvalidIdempotencyKey::Command { .. }), "{refused}");
    assert_eq!(store.appends(), 0);

    let nobody = Give { id: String::new(), unwritable: None };
    let refused = store.execute(nobody).idempotency_key("k").await.unwrap_err();
    assert!(matches!(refused, ExecuteError::Store(Error::InvalidStream(_))), "{refused:?}");
}

#[tokio::test]
async fn what_can_always_be_a_key_is_taken_as_it_is() {
    let store = MemoryStore::new();
    let give = || Give { id: ada(), unwritable: None };
    let id = es_core::EventId::new();
    assert!(!store.execute(give()).idempotency_key(id).await.unwrap().repeated);
    assert!(store.execute(give()).idempotency_key(id.0).await.unwrap().repeated);
    assert!(store.execute(give()).idempotency_key(id.to_string()).await.unwrap().repeated);
    assert!(store.execute(give()).idempotency_key(es_core::IdempotencyKey::from(id)).await.unwrap().repeated);
}

#[derive(Default, Serialize, Deserialize)]
struct Count(u64);

impl Document for Count {
    const NAME: &'static str = "count";
    type Event = Event;

    fn key(event: &Recorded<Event>) -> impl IntoKeys {
        event.stream.id()
    }

    fn apply(&mut self, _: &Recorded<Event>) {
        self.0 += 1;
    }
}

#[tokio::test]
async fn inline_projections_take_in_nothing_twice() {
    let store = Inline::over(MemoryStore::new()).document::<Count>().open().await.unwrap();
    let event = NewEvent::encode(&Event::Deposited { amount: 5 }, &Metadata::default()).unwrap();
    let append = Append::new(stream(), ExpectedVersion::Any, vec![event]).idempotent();
    for repeated in [false, true, true] {
        assert_eq!(store.append(append.clone()).await.unwrap().repeated, repeated);
        assert_eq!(store.execute(deposit(1)).keyed(keyed()).await.unwrap().repeated, repeated);
    }
    let counted = store.inner().documents::<Count>().unwrap().get("ada").await.unwrap().unwrap();
    assert_eq!(counted.0, 2);
}
