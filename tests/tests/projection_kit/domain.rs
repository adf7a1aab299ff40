//! Accounts and orders, and a story about them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use es_core::testing::{AllDocuments, OnStore, ReadModelTest, read_model_on};
use es_core::{Aggregate, Document, Event};
use es_memory::MemoryStore;
use serde::{Deserialize, Serialize};

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(category = "account")]
pub enum AccountEvent {
    Deposited { cents: i64 },
    Sent { cents: i64, to: String },
    Closed,
}

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(category = "order")]
pub enum OrderEvent {
    Placed { account: String },
}

#[derive(Debug, Event)]
#[event(union)]
pub enum Everything {
    Account(AccountEvent),
    Order(OrderEvent),
}

#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Self::apply)]
pub struct Account;

impl Account {
    fn apply(&mut self, _: AccountEvent) {}
}

#[derive(Aggregate, Default)]
#[aggregate(id = u64, event = OrderEvent, apply = Self::apply)]
pub struct Order;

impl Order {
    fn apply(&mut self, _: OrderEvent) {}
}

pub fn deposited(cents: i64) -> AccountEvent {
    AccountEvent::Deposited { cents }
}

pub fn sent(cents: i64, to: &str) -> AccountEvent {
    AccountEvent::Sent { cents, to: to.into() }
}

pub fn placed(account: &str) -> OrderEvent {
    OrderEvent::Placed { account: account.into() }
}

pub fn in_memory() -> OnStore<MemoryStore> {
    read_model_on(|| async { MemoryStore::new() })
}

/// Three deposits: two of Ada's, one of Bob's.
pub fn three_deposits<D: Document>() -> ReadModelTest<MemoryStore, AllDocuments<D>> {
    let test = in_memory().documents::<D>();
    test.given::<Account>("ada", [deposited(50), deposited(20)]).given::<Account>("bob", deposited(7))
}

/// What a test that fails says.
pub fn message<F: Future<Output = ()>>(verified: F) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(verified))).expect_err("the mistake is caught");
    *panic.downcast::<String>().expect("the message is made for this very case")
}

#[track_caller]
pub fn assert_says(message: &str, parts: &[&str]) {
    let mut rest = message;
    for part in parts {
        let Some(at) = rest.find(part) else { panic!("it does not say, or not here: {part}\n---\n{message}") };
        rest = &rest[at + part.len()..];
    }
}
