use std::collections::HashMap;

use super::*;

#[derive(Serialize)]
struct Deposit {
    id: String,
    cents: u64,
}

#[derive(Serialize)]
struct Withdraw {
    id: String,
    cents: u64,
}

fn fingerprint<C: Serialize>(id: &str, command: &C) -> Uuid {
    let key = IdempotencyKey::new("any").unwrap();
    Keyed::command(key, &StreamId::new("account", id).unwrap(), command).unwrap().fingerprint
}

#[test]
fn a_fingerprint_is_the_same_for_ever() {
    let deposit = Deposit { id: "ada".into(), cents: 5 };
    // A changed fingerprint would refuse every request that is repeated across the release that changes it.
    assert_eq!(fingerprint("ada", &deposit).to_string(), "e2af5852-d923-5d93-98a2-994db9139e87");
}

#[test]
fn another_request_has_another_fingerprint() {
    let deposit = fingerprint("ada", &Deposit { id: "ada".into(), cents: 5 });
    assert_ne!(deposit, fingerprint("ada", &Deposit { id: "ada".into(), cents: 6 }), "another amount");
    assert_ne!(deposit, fingerprint("ada", &Withdraw { id: "ada".into(), cents: 5 }), "another command");
    assert_ne!(deposit, fingerprint("bob", &Deposit { id: "ada".into(), cents: 5 }), "another stream");
}

/// As JSON they would be the same request.
#[test]
fn numbers_that_are_not_finite_are_refused() {
    let key = || IdempotencyKey::new("any").unwrap();
    let stream = StreamId::new("account", "ada").unwrap();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = Keyed::command(key(), &stream, &Some(number)).unwrap_err();
        assert!(matches!(&refused, InvalidIdempotencyKey::Command { .. }), "{refused:?}");
    }
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let shuffled = r#"{"b":[{"z":1,"y":{"q":"\"}","p":2}}],"a":"{\"c\":1,\"b\":2}","é\n":1e400}"#;
    let ordered = r#"{"a":"{\"c\":1,\"b\":2}","b":[{"y":{"p":2,"q":"\"}"},"z":1}],"é\n":1e400}"#;
    assert_eq!(canonical(shuffled, DEEPEST).unwrap(), ordered);
    for _ in 0..20 {
        let map: HashMap<u32, u32> = (0..50).map(|n| (n, n)).collect();
        let again: HashMap<u32, u32> = (0..50).map(|n| (n, n)).collect();
        assert_eq!(fingerprint("ada", &map), fingerprint("ada", &again));
    }
}

#[test]
fn numbers_of_any_size_are_told_apart() {
    assert_ne!(fingerprint("ada", &u128::MAX), fingerprint("ada", &(u128::MAX - 1)));
}

#[test]
fn a_type_may_move_to_another_module() {
    assert_eq!(without_paths("bank::account::Deposit"), "Deposit");
    assert_eq!(without_paths("bank::Add<7, other::Unit>"), "Add<7, Unit>");
    assert_eq!(without_paths("(a::b::C, &d::E)"), "(C, &E)");
    assert_eq!(fingerprint("ada", &Deposit { id: "ada".into(), cents: 5 }), {
        mod elsewhere {
            #[derive(serde::Serialize)]
            pub(super) struct Deposit {
                pub(super) cents: u64,
                pub(super) id: String,
            }
        }
        fingerprint("ada", &elsewhere::Deposit { cents: 5, id: "ada".into() })
    });
}

#[test]
fn what_cannot_be_written_as_json_cannot_be_repeated() {
    let key = IdempotencyKey::new("any").unwrap();
    let unwritable: HashMap<Vec<u8>, u8> = [(vec![1], 1)].into();
    let refused = Keyed::command(key, &StreamId::new("account", "ada").unwrap(), &unwritable).unwrap_err();
    assert!(matches!(refused, InvalidIdempotencyKey::Command { .. }), "{refused}");
}

#[test]
fn nothing_is_nested_too_deep_for_the_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(canonical(&nested(128), DEEPEST).unwrap(), nested(128));
    assert!(canonical(&nested(129), DEEPEST).is_err());
    assert!(canonical(&nested(100_000), DEEPEST).is_err());
}

#[test]
fn nobody_can_take_a_key_of_the_frameworks_own() {
    let append = Keyed::events(&StreamId::new("account", "ada").unwrap(), [EventId::new()]).unwrap().key;
    let reaction = IdempotencyKey::own(format_args!("reaction/shipping/{}/1", EventId::new()));
    for own in [append, reaction] {
        let taken = IdempotencyKey::new(own.as_str());
        assert_eq!(taken, Err(InvalidIdempotencyKey::Reserved), "{own} can be taken");
        assert_eq!(own.as_str().parse::<IdempotencyKey>(), Err(InvalidIdempotencyKey::Reserved));
    }
    assert_eq!(
        InvalidIdempotencyKey::Reserved.to_string(),
        "an idempotency key does not begin with `~es/`: such keys are the framework's own"
    );
    assert!(IdempotencyKey::new("~es").is_ok() && IdempotencyKey::new("web/~es/").is_ok());
}

#[test]
fn events_are_known_by_their_ids() {
    let stream = StreamId::new("account", "ada").unwrap();
    let ids = [EventId::new(), EventId::new()];
    let keyed = Keyed::events(&stream, ids).unwrap();
    assert_eq!(keyed, Keyed::events(&stream, ids).unwrap());
    let fewer = Keyed::events(&stream, ids.into_iter().take(1)).unwrap();
    assert_eq!(keyed.key, fewer.key, "the first event's id is the key");
    assert_ne!(keyed.fingerprint, fewer.fingerprint, "other events are another append");
    assert_eq!(Keyed::events(&stream, []), None);
}
