//! Documents that are right, and documents with one mistake each.

use std::collections::{BTreeMap, BTreeSet};

use es_core::{Document, IntoKeys, Metadata, Recorded, Timestamp};
use serde::{Deserialize, Serialize};

use super::domain::{
    Account, AccountEvent, Everything, Order, OrderEvent, assert_says, deposited, in_memory, message, placed, sent,
    three_deposits,
};

/// Everything that concerns an account, from two categories, one event for two documents, and an end.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Statement {
    cents: i64,
    orders: u32,
    closed: bool,
    last: Option<Timestamp>,
    tellers: BTreeSet<String>,
}

impl Document for Statement {
    const NAME: &'static str = "statement";
    type Event = Everything;

    fn key(event: &Recorded<Everything>) -> impl IntoKeys {
        let own = event.stream.id().to_owned();
        match &event.event {
            Everything::Account(AccountEvent::Sent { to, .. }) => vec![own, to.clone()],
            Everything::Account(_) => vec![own],
            Everything::Order(OrderEvent::Placed { account }) => vec![account.clone()],
        }
    }

    fn apply(&mut self, _: &Recorded<Everything>) {
        unreachable!("`apply_as` is called instead")
    }

    fn apply_as(&mut self, key: &str, event: &Recorded<Everything>) {
        match &event.event {
            Everything::Account(AccountEvent::Deposited { cents }) => self.cents += cents,
            Everything::Account(AccountEvent::Sent { cents, .. }) if key == event.stream.id() => self.cents -= cents,
            Everything::Account(AccountEvent::Sent { cents, .. }) => self.cents += cents,
            Everything::Account(AccountEvent::Closed) => self.closed = true,
            Everything::Order(_) => self.orders += 1,
        }
        self.last = self.last.max(Some(event.recorded_at));
        self.tellers.extend(event.metadata.actor.clone());
    }

    fn is_deleted(&self) -> bool {
        self.closed
    }
}

#[tokio::test]
async fn a_right_one_passes() {
    let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let by = |teller: &str| {
        let mut metadata = Metadata::default();
        metadata.actor = Some(teller.into());
        metadata
    };
    in_memory()
        .documents::<Statement>()
        .with_metadata(by("Tom"))
        .given::<Account>("ada", [deposited(50), sent(20, "bob")])
        .given::<Order>(1, placed("ada"))
        .at(noon)
        .with_metadata(by("Tim"))
        .given::<Account>("bob", deposited(7))
        .given::<Account>("joe", [deposited(1), AccountEvent::Closed])
        .given::<Order>(2, placed("ada"))
        .expect(
            "ada",
            Statement {
                cents: 30,
                orders: 2,
                last: Some(noon),
                tellers: ["Tom".into(), "Tim".into()].into(),
                ..Statement::default()
            },
        )
        .expect(
            "bob",
            Statement {
                cents: 27,
                last: Some(noon),
                tellers: ["Tom".into(), "Tim".into()].into(),
                ..Statement::default()
            },
        )
        .expect_none("joe")
        .verify()
        .await;
}

#[tokio::test]
async fn a_story_without_events_shows_nothing() {
    in_memory().documents::<Statement>().given::<Account>("ada", ()).expect_none("ada").verify().await;
}

/// Defines a document of accounts that has what the test is about, and nothing else.
macro_rules! document {
    ($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty),* } key $key:expr; apply $apply:expr $(; deleted $deleted:expr)?) => {
        #[derive(Default, PartialEq, Serialize, Deserialize)]
        struct $name { $($(#[$meta])* $field: $type),* }

        impl Document for $name {
            const NAME: &'static str = "balance";
            type Event = AccountEvent;

            fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
                String::from($key(event))
            }

            fn apply(&mut self, event: &Recorded<AccountEvent>) {
                $apply(self, event)
            }

            $(fn is_deleted(&self) -> bool {
                $deleted(self)
            })?
        }
    };
}

fn own(event: &Recorded<AccountEvent>) -> &str {
    event.stream.id()
}

fn cents(event: &Recorded<AccountEvent>) -> i64 {
    match event.event {
        AccountEvent::Deposited { cents } => cents,
        _ => 0,
    }
}

document! { Balance { cents: i64 } key own; apply |of: &mut Balance, event| of.cents += cents(event) }

#[test]
fn what_is_not_as_expected_is_shown_with_a_diff_and_the_events() {
    let said = message(three_deposits().expect("ada", Balance { cents: 71 }).expect_none("bob").verify());
    assert_eq!(
        said,
        r#"read model `balance v1` is not as expected
--- expected
+++ actual
@@ -1,4 +1,6 @@
 ada {
-  "cents": 71
+  "cents": 70
+}
+bob {
+  "cents": 7
 }
-bob (no document)
the events, in the order of the log:
  account-ada 1: account.deposited {"cents":50}
  account-ada 2: account.deposited {"cents":20}
  account-bob 1: account.deposited {"cents":7}
"#
    );
}

document! { Forgetful { even: bool, #[serde(skip)] count: u32 } key own; apply |of: &mut Forgetful, _: &_| {
    of.count += 1;
    of.even = of.count.is_multiple_of(2);
} }

#[test]
fn a_field_that_serde_skips_is_noticed_where_it_is_missed() {
    let said = message(three_deposits::<Forgetful>().verify());
    assert_says(
        &said,
        &[
            "read model `balance v1`: document `ada` after event 2 of `account-ada` is another one where it was written and read",
            "-  \"even\": true\n+  \"even\": false\n",
            "what serde leaves out is lost: a field that is skipped",
            "the events, in the order of the log:\n  account-ada 1: account.deposited {\"cents\":50}\n",
        ],
    );
}

/// Expected with what nobody would read, whether anything else depends on it or not.
#[test]
fn an_expected_document_is_one_that_readers_get() {
    let expected = Forgetful { even: true, count: 2 };
    let said = message(async move { drop(three_deposits::<Forgetful>().expect("ada", expected)) });
    let told = "the expected document `ada` is another one when it is read again, and what serde leaves out nobody reads: a field that \
                is skipped\n{\n  \"even\": true\n}";
    assert_says(&said, &["read model `balance v1`: ", told]);
    let _ = three_deposits::<Forgetful>().expect("ada", Forgetful { even: true, count: 0 });
}

/// A test may be a task of its own.
#[tokio::test]
async fn a_verification_can_be_spawned() {
    fn is_send<F: Future<Output = ()> + Send>(verified: F) -> F {
        verified
    }
    let verified = is_send(in_memory().documents::<Statement>().given::<Account>("ada", deposited(50)).verify());
    tokio::spawn(verified).await.expect("it passes");
}

document! { Renamed { #[serde(default, rename(serialize = "sum"))] cents: i64 } key own; apply |of: &mut Renamed, event| of.cents += cents(event) }

#[test]
fn json_that_reads_back_as_something_else_is_noticed() {
    let said = message(three_deposits::<Renamed>().verify());
    assert_says(
        &said,
        &[
            "document `ada` after event 1 of `account-ada` is another one when it is read again\n",
            "-  \"sum\": 50\n+  \"sum\": 0\n",
        ],
    );
}

document! { Unread { #[serde(rename(serialize = "sum"))] cents: i64 } key own; apply |of: &mut Unread, event| of.cents += cents(event) }

#[test]
fn json_that_cannot_be_read_again_is_noticed() {
    let said = message(three_deposits::<Unread>().verify());
    assert_says(&said, &["document `ada` cannot be read again: ", "missing field `cents`", "{\n  \"sum\": 50\n}\n"]);
}

document! { Share { of_nothing: Option<f64> } key own; apply |of: &mut Share, event| of.of_nothing = Some(cents(event) as f64 / 0.0) }

#[test]
fn a_number_that_is_not_finite_is_noticed() {
    let said = message(three_deposits::<Share>().verify());
    assert_says(
        &said,
        &["document `ada` cannot be written as JSON: a number that is not finite (inf, in field `of_nothing`) cannot"],
    );
    let expected = || three_deposits::<Share>().expect("ada", Share { of_nothing: Some(f64::NAN) });
    let said = message(async { drop(expected()) });
    assert_says(
        &said,
        &["the expected document `ada` cannot be written as JSON: a number that is not finite (NaN, in field"],
    );
}

document! { Ghost { #[serde(skip)] alive: bool } key own; apply |of: &mut Ghost, _: &_| of.alive = true; deleted |of: &Ghost| !of.alive }

#[test]
fn an_end_that_depends_on_what_is_not_stored_is_noticed() {
    let said = message(three_deposits::<Ghost>().verify());
    assert_says(
        &said,
        &["document `ada` after event 1 of `account-ada` says `is_deleted` only when it is read again\n"],
    );
}

document! { Keyless {} key |_: &_| String::new(); apply |_: &mut Keyless, _: &_| {} }

#[test]
fn a_key_that_no_store_can_keep_is_noticed() {
    let said = message(three_deposits::<Keyless>().verify());
    assert_says(&said, &["`key` of event 1 of `account-ada` cannot be: a document's key has 1 to 1153 bytes"]);
}

document! { Unsure {} key |event: &Recorded<AccountEvent>| { assert!(cents(event) != 20, "twenty?"); "all" };
apply |_: &mut Unsure, _: &_| {} }

#[test]
fn a_panic_in_key_is_noticed() {
    let said = message(three_deposits::<Unsure>().verify());
    assert_says(&said, &["`key` fails over event 2 of `account-ada`: the code panicked: twenty?"]);
}

document! { Brittle {} key own; apply |_: &mut Brittle, event: &Recorded<AccountEvent>| assert!(cents(event) != 7, "seven!") }

#[test]
fn a_panic_in_apply_is_noticed() {
    let said = message(three_deposits::<Brittle>().verify());
    assert_says(&said, &["`apply` fails over event 1 of `account-bob`: the code panicked: seven!"]);
}

document! { Latest { stream: String } key |_: &_| "the only one";
apply |of: &mut Latest, event: &Recorded<AccountEvent>| of.stream = event.stream.to_string() }

#[test]
fn the_order_between_streams_is_not_to_be_relied_on() {
    let said = message(three_deposits::<Latest>().verify());
    assert_says(
        &said,
        &[
            "read model `balance v1`, with the streams one behind the other, the last one first, shows something else\n",
            "-  \"stream\": \"account-bob\"\n+  \"stream\": \"account-ada\"\n",
            "say `.order_between_streams_matters()`",
            "the events, in the order of the log:\n  account-bob 1: ",
        ],
    );
}

#[tokio::test]
async fn unless_it_is_part_of_the_meaning() {
    let latest = Latest { stream: "account-bob".into() };
    three_deposits().expect("the only one", latest).order_between_streams_matters().verify().await;
}

document! { Mixture { met: BTreeMap<String, u64>, mixed: bool } key |_: &_| "the only one";
apply |of: &mut Mixture, event: &Recorded<AccountEvent>| {
    // Each stream has three events. The order of whole streams makes no difference.
    of.mixed |= of.met.iter().any(|(stream, events)| stream != own(event) && *events < 3);
    of.met.insert(own(event).to_owned(), event.version.0);
} }

#[test]
fn orders_by_lot_name_their_seed() {
    let test = || {
        let three = || [deposited(1), deposited(2), deposited(3)];
        in_memory().documents::<Mixture>().given::<Account>("ada", three()).given::<Account>("bob", three()).seed(40)
    };
    let said = message(test().verify());
    assert_says(&said, &[", with its events in the order of seed 4", ", shows something else\n", "\"mixed\": true"]);
    assert_eq!(said, message(test().verify()), "the same seed draws the same orders");
}
