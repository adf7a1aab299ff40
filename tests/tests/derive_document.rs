//! What `#[derive(Document)]` does, seen from outside.

use es_core::{
    Aggregate, Document, Event, EventStoreExt, ExpectedVersion, IntoKeys, MAX_PROJECTION_NAME_BYTES, Position,
    ReadModels, Recorded, Runner,
};
use es_memory::MemoryStore;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(category = "account")]
enum AccountEvent {
    Deposited { cents: u64 },
    Sent { to: String, cents: u64 },
    Closed,
}

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(category = "order")]
struct OrderPlaced {
    account: String,
}

#[derive(Debug, Event)]
#[event(union)]
enum Everything {
    Account(AccountEvent),
    Order(OrderPlaced),
}

#[derive(Default, Aggregate)]
#[aggregate(id = String, event = AccountEvent, apply = pass_by)]
struct Account;

fn pass_by(_: &mut Account, _: AccountEvent) {}

#[derive(Default, Aggregate)]
#[aggregate(id = String, event = OrderPlaced, apply = pass_order_by)]
struct Order;

fn pass_order_by(_: &mut Order, _: OrderPlaced) {}

fn sent(to: &str, cents: u64) -> AccountEvent {
    AccountEvent::Sent { to: to.to_owned(), cents }
}

async fn put(store: &MemoryStore, id: &str, events: impl IntoIterator<Item = AccountEvent>) {
    let events: Vec<_> = events.into_iter().collect();
    store.append_events::<Account>(id, ExpectedVersion::Any, events).await.unwrap();
}

/// All documents, once by the runner and once folded for each key, which must be the same.
async fn documents<D: Document + Clone + PartialEq + std::fmt::Debug>(store: &MemoryStore) -> Vec<(String, D)> {
    let running = Runner::new(store.clone()).document::<D>().start().await.unwrap();
    running.catch_up().await.unwrap();
    running.stop().await;
    let kept = store.documents::<D>().unwrap().list(None, 100).await.unwrap();
    for (key, document) in &kept {
        assert_eq!(store.fold_document::<D>(key).await.unwrap().as_ref(), Some(document));
    }
    kept
}

fn of<D>(key: &str, document: D) -> (String, D) {
    (key.to_owned(), document)
}

impl AccountEvent {
    fn change(&self) -> i128 {
        match self {
            Self::Deposited { cents } => i128::from(*cents),
            Self::Sent { cents, .. } => -i128::from(*cents),
            Self::Closed => 0,
        }
    }
}

/// The least that can be written.
#[derive(Clone, Debug, Default, PartialEq, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |balance, event| balance.cents += event.event.change())]
struct AccountBalance {
    cents: i128,
}

#[tokio::test]
async fn a_document_of_each_stream_is_the_default() {
    let store = MemoryStore::new();
    put(&store, "ada", [AccountEvent::Deposited { cents: 700 }, sent("bob", 200)]).await;
    put(&store, "a-b-c", [AccountEvent::Deposited { cents: 1 }]).await;
    let expected = [of("a-b-c", AccountBalance { cents: 1 }), of("ada", AccountBalance { cents: 500 })];
    assert_eq!(documents::<AccountBalance>(&store).await, expected);
    assert_eq!((AccountBalance::NAME, AccountBalance::VERSION), ("account_balance", 1));
    assert_eq!(AccountBalance::INDEXED, &[] as &[&str]);
    assert!(!AccountBalance::default().is_deleted());
}

/// Everything by paths, most of them to functions that are called as the trait's own.
#[derive(Clone, Debug, Default, PartialEq, Document, Serialize, Deserialize)]
#[document(event = Everything, name = "turnovers", version = 3, key = Turnover::key, apply_as = Self::apply_as)]
#[document(deleted = Turnover::is_deleted, indexed("sent", "account"))]
struct Turnover {
    account: String,
    sent: u64,
    received: u64,
    orders: u32,
    #[serde(skip)]
    closed: bool,
}

impl Turnover {
    fn key(event: &Recorded<Everything>) -> impl IntoKeys + use<> {
        let own = event.stream.id().to_owned();
        match &event.event {
            Everything::Account(AccountEvent::Deposited { .. }) => vec![],
            Everything::Account(AccountEvent::Sent { to, .. }) => vec![own, to.clone()],
            Everything::Account(AccountEvent::Closed) => vec![own],
            Everything::Order(OrderPlaced { account }) => vec![account.clone()],
        }
    }

    fn apply_as(&mut self, key: &str, event: &Recorded<Everything>) {
        self.account = key.to_owned();
        match &event.event {
            Everything::Account(AccountEvent::Deposited { .. }) => {}
            Everything::Account(AccountEvent::Sent { to, cents }) if to == key => self.received += cents,
            Everything::Account(AccountEvent::Sent { cents, .. }) => self.sent += cents,
            Everything::Account(AccountEvent::Closed) => self.closed = true,
            Everything::Order(_) => self.orders += 1,
        }
    }

    fn is_deleted(&self) -> bool {
        self.closed
    }
}

fn turnover(account: &str, sent: u64, received: u64, orders: u32) -> (String, Turnover) {
    of(account, Turnover { account: account.to_owned(), sent, received, orders, closed: false })
}

async fn transfers() -> MemoryStore {
    let store = MemoryStore::new();
    put(&store, "ada", [sent("bob", 5), sent("eve", 7), AccountEvent::Deposited { cents: 1 }]).await;
    put(&store, "eve", [sent("ada", 2), AccountEvent::Closed]).await;
    let order = OrderPlaced { account: "bob".to_owned() };
    store.append_events::<Order>("o1", ExpectedVersion::NoStream, order).await.unwrap();
    store
}

#[tokio::test]
async fn every_key_does_what_it_says() {
    let expected = [turnover("ada", 12, 2, 0), turnover("bob", 0, 5, 1)];
    assert_eq!(documents::<Turnover>(&transfers().await).await, expected);
    assert_eq!((Turnover::NAME, Turnover::VERSION, Turnover::INDEXED), ("turnovers", 3, &["sent", "account"][..]));
    let with_flag = Turnover { closed: true, ..Turnover::default() };
    assert!(with_flag.is_deleted() && !Document::is_deleted(&Turnover::default()));
}

/// The same by closures, of every form.
#[derive(Clone, Debug, Default, PartialEq, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, name = "turnovers_by_closures")]
#[document(
    key = |event| match &event.event {
        AccountEvent::Sent { to, .. } => vec![event.stream.id(), to],
        _ => vec![event.stream.id()],
    },
    apply_as = move |this, key: &str, event: &Recorded<_>| {
        let AccountEvent::Sent { to, cents } = &event.event else { return this.closed = true };
        if to == key { this.received += cents } else { this.sent += std::cmp::max::<u64>(*cents, 0) }
    },
    deleted = |this| this.closed,
)]
struct ByClosures {
    sent: u64,
    received: u64,
    closed: bool,
}

#[tokio::test]
async fn closures_know_the_types_of_their_parameters() {
    let store = MemoryStore::new();
    put(&store, "ada", [sent("bob", 5), sent("eve", 7)]).await;
    put(&store, "eve", [sent("ada", 2), AccountEvent::Closed]).await;
    let expected = [("ada", 12, 2), ("bob", 0, 5)];
    let expected = expected.map(|(key, sent, received)| of(key, ByClosures { sent, received, closed: false }));
    assert_eq!(documents::<ByClosures>(&store).await, expected);
}

#[tokio::test]
async fn without_its_key_a_document_takes_an_event_in_as_the_first_it_concerns() {
    let store = transfers().await;
    let mut log = store.log::<Everything>(Position::START);
    let mut document = Turnover::default();
    document.apply(&log.next().await.unwrap().unwrap());
    assert_eq!(of("ada", document.clone()), turnover("ada", 5, 0, 0));

    // No document is concerned with a deposit.
    let is_deposit = |event: &Recorded<_>| matches!(event.event, Everything::Account(AccountEvent::Deposited { .. }));
    let mut event = log.next().await.unwrap().unwrap();
    while !is_deposit(&event) {
        event = log.next().await.unwrap().unwrap();
    }
    let mut untouched = Turnover::default();
    untouched.apply(&event);
    assert_eq!(untouched, Turnover::default());
}

/// Any one event, and how often it was there.
#[derive(Clone, Debug, PartialEq, Document, Serialize, Deserialize)]
#[document(event = E, name = "latest", apply = Latest::take_in, key = |event| (event.version.0 > START).then(|| event.stream.id()))]
#[serde(bound = "")]
struct Latest<E, const START: u64>
where
    E: Event + Clone + Serialize + DeserializeOwned,
{
    event: Option<E>,
    count: u32,
}

impl<E: Event + Clone + Serialize + DeserializeOwned, const START: u64> Default for Latest<E, START> {
    fn default() -> Self {
        Self { event: None, count: 0 }
    }
}

impl<E: Event + Clone + Serialize + DeserializeOwned, const START: u64> Latest<E, START> {
    fn take_in(&mut self, event: &Recorded<E>) {
        self.event = Some(event.event.clone());
        self.count += 1;
    }
}

/// A generic document whose function is called as the trait's own.
#[derive(Clone, Debug, Default, PartialEq, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = Self::apply)]
struct Counter<const STEP: u32>(u32);

impl<const STEP: u32> Counter<STEP> {
    fn apply(&mut self, _: &Recorded<AccountEvent>) {
        self.0 += STEP;
    }
}

#[tokio::test]
async fn generics_are_kept() {
    let store = MemoryStore::new();
    put(&store, "ada", [sent("bob", 5), sent("eve", 7), AccountEvent::Closed]).await;
    put(&store, "bob", [sent("ada", 5)]).await;
    let running = Runner::new(store.clone()).document::<Latest<AccountEvent, 1>>().start().await.unwrap();
    running.catch_up().await.unwrap();
    running.stop().await;
    let kept = store.documents::<Latest<AccountEvent, 1>>().unwrap().list(None, 10).await.unwrap();
    let [(key, latest)] = &kept[..] else { panic!("{kept:?}") };
    assert!(key == "ada" && latest.count == 2 && matches!(latest.event, Some(AccountEvent::Closed)));
    assert_eq!(documents::<Counter<3>>(&store).await, [of("ada", Counter(9)), of("bob", Counter(3))]);
}

#[derive(Clone, Debug, Default, PartialEq, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |door, _| *door = Door::Open, indexed("anything_goes_in_an_enum"))]
enum Door {
    #[default]
    Shut,
    Open,
}

#[tokio::test]
async fn an_enum_can_be_a_document() {
    let store = MemoryStore::new();
    put(&store, "front", [AccountEvent::Closed]).await;
    assert_eq!(documents::<Door>(&store).await, [of("front", Door::Open)]);
}

/// The longest name.
#[derive(Clone, Debug, Default, PartialEq, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, version = 0)]
struct StatementOfAllAccountsOfTheBankT4;

#[test]
fn a_name_that_the_derive_takes_is_one_that_stores_take() {
    let store = MemoryStore::new();
    assert_eq!(StatementOfAllAccountsOfTheBankT4::NAME.len(), MAX_PROJECTION_NAME_BYTES);
    assert!(store.documents::<StatementOfAllAccountsOfTheBankT4>().is_ok());
}

/// Fields in every way that serde writes them.
#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, indexed("openCents", "NAME", "kind", "sometimes", "customer", "type"))]
#[serde(rename_all(serialize = "camelCase", deserialize = "snake_case"), tag = "kind")]
struct Written {
    open_cents: u64,
    #[serde(rename = "NAME", default)]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default, alias = "now_and_then")]
    sometimes: Option<u64>,
    #[serde(rename(deserialize = "buyer", serialize = "customer"))]
    owner: String,
    r#type: u8,
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, indexed("openCents", "of_the_map"))]
struct Flattened {
    #[serde(flatten)]
    written: std::collections::BTreeMap<String, u8>,
}

#[derive(Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, indexed("of_the_map"))]
#[serde(transparent)]
struct Transparent {
    written: std::collections::BTreeMap<String, u8>,
}

#[derive(Clone, Default, Document, Serialize, Deserialize)]
#[document(event = AccountEvent, apply = |_, _| {}, indexed("cents"))]
#[serde(from = "AccountBalance", into = "AccountBalance")]
struct Converted {
    euros: i128,
}

impl From<AccountBalance> for Converted {
    fn from(balance: AccountBalance) -> Self {
        Self { euros: balance.cents / 100 }
    }
}

impl From<Converted> for AccountBalance {
    fn from(converted: Converted) -> Self {
        Self { cents: converted.euros * 100 }
    }
}

#[test]
fn indexed_fields_are_those_of_the_json() {
    let json = serde_json::to_value(Written { sometimes: Some(1), ..Written::default() }).unwrap();
    for field in Written::INDEXED {
        assert!(json.get(field).is_some(), "{field} is not in {json}");
    }
    // Of these the attributes do not tell.
    assert_eq!(Flattened::INDEXED, ["openCents", "of_the_map"]);
    assert_eq!((Transparent::INDEXED, Converted::INDEXED), (&["of_the_map"][..], &["cents"][..]));
}
