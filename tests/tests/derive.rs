//! What the derives do, seen from outside.

use es_core::{
    Aggregate, AggregateEvent, AggregateId, Apply, Command, Context, DecodeErrorKind, Dispatch, EncodedEvent, Event,
    EventType, Handle, IntoEvents, SnapshotInfo,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Every kind of variant.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(category = "account")]
enum AccountEvent {
    Opened { owner: String, limit: Option<u64> },
    Deposited(u64),
    Moved(u64, String),
    Closed,
    Emptied {},
    Nothing(),
}

fn every_kind() -> Vec<(AccountEvent, &'static str, &'static str)> {
    vec![
        (
            AccountEvent::Opened { owner: "Ada".into(), limit: None },
            "account.opened",
            r#"{"owner":"Ada","limit":null}"#,
        ),
        (AccountEvent::Deposited(5), "account.deposited", "5"),
        (AccountEvent::Moved(5, "bob".into()), "account.moved", r#"[5,"bob"]"#),
        (AccountEvent::Closed, "account.closed", "{}"),
        (AccountEvent::Emptied {}, "account.emptied", "{}"),
        (AccountEvent::Nothing(), "account.nothing", "[]"),
    ]
}

#[test]
fn every_kind_of_variant_is_written_and_read() {
    for (event, name, json) in every_kind() {
        assert_eq!(event.event_type().name(), name);
        assert_eq!(event.event_type().category(), "account");
        assert_eq!(event.encode().unwrap(), json);
        assert_eq!(AccountEvent::decode(EncodedEvent::new("account", name, 1, json)).unwrap(), event);
    }
    assert_eq!(AccountEvent::CATEGORY, "account");
    assert_eq!(AccountEvent::TYPES.len(), 6);
}

fn refusal<E: Event + std::fmt::Debug>(category: &str, name: &str, version: u32, json: &str) -> String {
    format!("{:?}", E::decode(EncodedEvent::new(category, name, version, json)).unwrap_err().kind())
}

#[test]
fn what_is_not_of_the_set_is_refused() {
    assert_eq!(refusal::<AccountEvent>("account", "account.gifted", 1, "{}"), "UnknownType");
    assert_eq!(refusal::<AccountEvent>("account", "Closed", 1, "{}"), "UnknownType");
    assert_eq!(refusal::<AccountEvent>("account", "", 1, "{}"), "UnknownType");
    assert_eq!(refusal::<AccountEvent>("order", "account.closed", 1, "{}"), "UnknownType");
    assert_eq!(refusal::<AccountEvent>("account", "account.closed", 2, "{}"), "UnknownSchemaVersion { current: 1 }");
    assert!(refusal::<AccountEvent>("account", "account.deposited", 1, "\"five\"").starts_with("Payload"));
}

/// Names, old names, and shapes that changed twice.
#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(category = "order")]
enum OrderEvent {
    #[event(rename = "order.sent", alias = "order.dispatched", alias = "Shipped")]
    Shipped {
        parcel: u32,
    },
    #[event(version = 3, upcast(2 = amounts::to_money, 1 = euros_to_cents))]
    Paid {
        money: Money,
    },
    #[event(version = 1)]
    Placed,
    SKUChanged,
    #[allow(non_camel_case_types)]
    r#type,
    Été,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Money {
    cents: u64,
    currency: String,
}

fn euros_to_cents(old: Value) -> Result<Value, String> {
    let euros = old["euros"].as_u64().ok_or("no euros")?;
    Ok(json!({ "cents": euros * 100 }))
}

mod amounts {
    use serde_json::{Value, json};

    pub(crate) fn to_money(old: Value) -> Value {
        json!({ "money": { "cents": old["cents"], "currency": "EUR" } })
    }
}

#[test]
fn names_are_explicit_or_made_from_the_variant() {
    let names: Vec<_> = OrderEvent::TYPES.iter().map(EventType::name).collect();
    assert_eq!(names, ["order.sent", "order.paid", "order.placed", "order.sku_changed", "order.type", "order.été"]);
}

#[test]
fn old_names_stay_readable() {
    for name in ["order.sent", "order.dispatched", "Shipped"] {
        let stored = EncodedEvent::new("order", name, 1, r#"{"parcel":7}"#);
        assert_eq!(OrderEvent::decode(stored).unwrap(), OrderEvent::Shipped { parcel: 7 });
    }
    assert_eq!(refusal::<OrderEvent>("order", "order.shipped", 1, "{}"), "UnknownType");
    assert_eq!(OrderEvent::TYPES[0].aliases(), ["order.dispatched", "Shipped"]);
}

#[test]
fn old_shapes_are_raised_step_by_step() {
    let paid = OrderEvent::Paid { money: Money { cents: 700, currency: "EUR".into() } };
    let shapes = [(1, r#"{"euros":7}"#), (2, r#"{"cents":700}"#), (3, r#"{"money":{"cents":700,"currency":"EUR"}}"#)];
    for (version, json) in shapes {
        assert_eq!(OrderEvent::decode(EncodedEvent::new("order", "order.paid", version, json)).unwrap(), paid);
    }
    assert_eq!(paid.event_type().schema_version(), 3);
    assert_eq!(OrderEvent::TYPES[2].schema_version(), 1);
    assert!(refusal::<OrderEvent>("order", "order.paid", 1, "{}").contains("no euros"));
    assert_eq!(refusal::<OrderEvent>("order", "order.paid", 4, "{}"), "UnknownSchemaVersion { current: 3 }");
    assert_eq!(refusal::<OrderEvent>("order", "order.paid", 0, "{}"), "UnknownSchemaVersion { current: 3 }");
}

/// Serde's attributes: what changes the content is honoured, what changes the tag changes nothing.
#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(category = "serde")]
#[serde(rename_all = "SCREAMING-KEBAB-CASE", rename_all_fields = "camelCase", deny_unknown_fields)]
enum SerdeEvent {
    FieldsRenamed {
        first_name: String,
        #[serde(rename = "NAME")]
        last_name: String,
    },
    #[serde(rename = "another")]
    FieldsDefaulted {
        #[serde(default)]
        added_later: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    #[serde(with = "as_text")]
    WrittenByAModule { number: u32 },
    FieldSkipped {
        kept: u8,
        #[serde(skip)]
        cached: u8,
    },
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&number.to_string())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[test]
fn serde_attributes_are_honoured() {
    let cases = [
        (
            SerdeEvent::FieldsRenamed { first_name: "Ada".into(), last_name: "Lovelace".into() },
            "serde.fields_renamed",
            r#"{"firstName":"Ada","NAME":"Lovelace"}"#,
        ),
        (SerdeEvent::FieldsDefaulted { added_later: 0, note: None }, "serde.fields_defaulted", r#"{"addedLater":0}"#),
        (SerdeEvent::WrittenByAModule { number: 7 }, "serde.written_by_a_module", r#""7""#),
        (SerdeEvent::FieldSkipped { kept: 1, cached: 0 }, "serde.field_skipped", r#"{"kept":1}"#),
    ];
    for (event, name, json) in cases {
        assert_eq!(event.event_type().name(), name);
        assert_eq!(event.encode().unwrap(), json);
        assert_eq!(SerdeEvent::decode(EncodedEvent::new("serde", name, 1, json)).unwrap(), event);
    }
    let defaulted = SerdeEvent::decode(EncodedEvent::new("serde", "serde.fields_defaulted", 1, "{}")).unwrap();
    assert_eq!(defaulted, SerdeEvent::FieldsDefaulted { added_later: 0, note: None });
    assert!(refusal::<SerdeEvent>("serde", "serde.fields_defaulted", 1, r#"{"x":1}"#).starts_with("Payload"));
}

// Style 2: each event a struct, the enum composed of them.

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct CartFilled {
    items: u32,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct CartPaid;

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(category = "cart")]
enum CartEvent {
    Filled(CartFilled),
    Paid(CartPaid),
}

#[derive(AggregateId, Clone, Debug, PartialEq, Eq)]
struct CartId(Uuid);

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(id = CartId, event = CartEvent, snapshot(every = 100, version = 2))]
struct Cart {
    items: u32,
    paid: bool,
}

impl Apply<CartFilled> for Cart {
    fn apply(&mut self, event: CartFilled) {
        self.items = event.items;
    }
}

impl Apply<CartPaid> for Cart {
    fn apply(&mut self, _: CartPaid) {
        self.paid = true;
    }
}

#[test]
fn a_composed_enum_dispatches_and_converts() {
    let mut cart = Cart::default();
    Aggregate::apply(&mut cart, CartFilled { items: 3 }.into());
    Dispatch::dispatch(CartEvent::Paid(CartPaid), &mut cart);
    assert_eq!((cart.items, cart.paid), (3, true));

    let mut events: Vec<CartEvent> = Vec::new();
    (CartFilled { items: 1 }, Some(CartEvent::Paid(CartPaid))).append_to(&mut events);
    assert_eq!(events, [CartEvent::Filled(CartFilled { items: 1 }), CartEvent::Paid(CartPaid)]);
    assert_eq!(CartEvent::Filled(CartFilled { items: 1 }).encode().unwrap(), r#"{"items":1}"#);
}

/// One type twice does not say which variant is meant: such an enum goes whole to `Apply`.
#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(category = "counter")]
enum CounterEvent {
    Added(u32),
    Removed(u32),
}

struct Counter(i64);

impl Apply<CounterEvent> for Counter {
    fn apply(&mut self, event: CounterEvent) {
        match event {
            CounterEvent::Added(n) => self.0 += i64::from(n),
            CounterEvent::Removed(n) => self.0 -= i64::from(n),
        }
    }
}

#[test]
fn an_enum_with_one_type_twice_is_dispatched_whole() {
    let mut counter = Counter(0);
    CounterEvent::Added(5).dispatch(&mut counter);
    CounterEvent::Removed(2).dispatch(&mut counter);
    assert_eq!(counter.0, 3);
}

/// A struct that is a set of one type.
#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(category = "sensor", alias = "sensor.read", version = 2, upcast(1 = guess))]
struct TemperatureMeasured {
    celsius: f64,
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(category = "ping", rename = "pong")]
struct Ping;

struct Last(f64);

impl Apply<TemperatureMeasured> for Last {
    fn apply(&mut self, event: TemperatureMeasured) {
        self.0 = event.celsius;
    }
}

#[test]
fn a_struct_is_an_event_by_itself() {
    let measured = TemperatureMeasured { celsius: 1.5 };
    assert_eq!(measured.event_type().name(), "sensor.temperature_measured");
    assert_eq!(measured.encode().unwrap(), r#"{"celsius":1.5}"#);
    for (name, version, json) in [("sensor.temperature_measured", 2, r#"{"celsius":1.5}"#), ("sensor.read", 1, "{}")] {
        assert_eq!(TemperatureMeasured::decode(EncodedEvent::new("sensor", name, version, json)).unwrap(), measured);
    }
    assert_eq!(refusal::<TemperatureMeasured>("sensor", "sensor.broken", 1, "{}"), "UnknownType");
    assert_eq!(refusal::<TemperatureMeasured>("other", "sensor.read", 1, "{}"), "UnknownType");
    let mut last = Last(0.0);
    measured.dispatch(&mut last);
    assert!(last.0 > 1.0);
    assert_eq!((Ping.event_type().name(), Ping.encode().unwrap().as_str()), ("pong", "null"));
    assert_eq!(Ping::decode(EncodedEvent::new("ping", "pong", 1, "null")).unwrap(), Ping);
}

/// What a reader of several categories sees.
#[derive(Event, Debug, PartialEq)]
#[event(union)]
enum Everything {
    Account(AccountEvent),
    Order(OrderEvent),
    Sensor(TemperatureMeasured),
}

#[test]
fn a_union_reads_what_its_members_read() {
    assert_eq!(Everything::TYPES.len(), AccountEvent::TYPES.len() + OrderEvent::TYPES.len() + 1);
    for (event, name, json) in every_kind() {
        let union = Everything::from(event.clone());
        assert_eq!(union.event_type().name(), name);
        assert_eq!(union.encode().unwrap(), json);
        assert_eq!(Everything::decode(EncodedEvent::new("account", name, 1, json)).unwrap(), union);
    }
    let old = EncodedEvent::new("order", "order.dispatched", 1, r#"{"parcel":7}"#);
    assert_eq!(Everything::decode(old).unwrap(), Everything::Order(OrderEvent::Shipped { parcel: 7 }));
    assert_eq!(refusal::<Everything>("account", "order.dispatched", 1, "{}"), "UnknownType");
    assert!(refusal::<Everything>("order", "order.paid", 1, "{}").contains("no euros"));
}

// Aggregates and commands.

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("only {0} left")]
struct TooLittle(u64);

#[derive(Aggregate, Default, Debug, PartialEq)]
#[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
struct Account {
    balance: u64,
}

impl Account {
    fn apply(&mut self, event: AccountEvent) {
        if let AccountEvent::Deposited(amount) = event {
            self.balance += amount;
        }
    }

    fn decide(&self, command: Withdraw, context: &Context) -> Result<AccountEvent, TooLittle> {
        let left = self.balance.checked_sub(command.amount).ok_or(TooLittle(self.balance))?;
        assert!(context.is_new());
        Ok(AccountEvent::Deposited(left))
    }
}

#[derive(Command, Clone)]
#[command(aggregate = Account, handle = Account::decide, error = TooLittle)]
struct Withdraw {
    #[command(id)]
    account: String,
    amount: u64,
}

#[derive(Command, Clone)]
#[command(aggregate = Account)]
enum AccountCommand {
    Open {
        id: String,
        _owner: String,
    },
    Close(#[allow(dead_code)] u8, #[command(id)] String),
    Freeze {
        #[command(id)]
        account: String,
        #[allow(dead_code)]
        id: u8,
    },
}

#[derive(Command, Clone)]
#[command(aggregate = Account)]
struct Touch(#[command(id)] String);

#[test]
fn an_aggregate_applies_with_the_function_it_names() {
    let mut account = Account::default();
    Aggregate::apply(&mut account, AccountEvent::Deposited(5));
    assert_eq!(account, Account { balance: 5 });
}

#[test]
fn a_command_knows_its_aggregate() {
    let withdraw = Withdraw { account: "ada".into(), amount: 1 };
    assert_eq!(withdraw.aggregate_id(), "ada");
    assert_eq!(AccountCommand::Open { id: "a".into(), _owner: "b".into() }.aggregate_id(), "a");
    assert_eq!(AccountCommand::Close(7, "b".into()).aggregate_id(), "b");
    assert_eq!(AccountCommand::Freeze { account: "c".into(), id: 1 }.aggregate_id(), "c");
    assert_eq!(Touch("d".into()).aggregate_id(), "d");
}

#[test]
fn the_named_function_decides() {
    let account = Account { balance: 5 };
    let withdraw = |amount| Withdraw { account: "ada".into(), amount };
    let mut events = Vec::new();
    Handle::handle(&account, withdraw(2), &Context::for_test()).unwrap().append_to(&mut events);
    assert_eq!(events, [AccountEvent::Deposited(3)]);
    assert_eq!(Handle::handle(&account, withdraw(7), &Context::for_test()).err(), Some(TooLittle(5)));
}

fn when_odd(info: &SnapshotInfo) -> bool {
    info.version.0 % 2 == 1
}

/// Aggregates may be generic, if their parameters satisfy the trait.
#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(id = u64, event = AccountEvent, snapshot(when = when_odd))]
#[serde(bound = "")]
struct Ledger<C>
where
    C: Default + Send + Sync + 'static,
{
    #[serde(skip)]
    _currency: std::marker::PhantomData<C>,
}

impl<C: Default + Send + Sync + 'static> Apply<AccountEvent> for Ledger<C> {
    fn apply(&mut self, _: AccountEvent) {}
}

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(id = i32, event = AccountEvent, apply = ignore, snapshot(version = 7, slower_than_ms = 20))]
enum Switch {
    #[default]
    Off,
}

fn ignore<A>(_: &mut A, _: AccountEvent) {}

#[test]
fn snapshot_policies_are_as_declared() {
    let policy = |debug: String| debug.replace(['{', '}'], "").split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(policy(format!("{:?}", Cart::snapshots())), "Snapshots policy: Every(100), state_version: 2, ..");
    assert_eq!(
        policy(format!("{:?}", Switch::snapshots())),
        "Snapshots policy: SlowerThan(20ms), state_version: 7, .."
    );
    assert!(format!("{:?}", Ledger::<u8>::snapshots()).contains("When"));
    assert!(format!("{:?}", Account::snapshots()).contains("Never"));
}

#[derive(AggregateId, Clone, Debug, PartialEq)]
struct Seat {
    number: u16,
}

#[derive(AggregateId, Clone, Debug, PartialEq)]
#[aggregate_id(no_display)]
struct Isbn(String);

impl std::fmt::Display for Isbn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ISBN {}", self.0)
    }
}

#[test]
fn a_newtype_has_the_text_of_what_it_wraps() {
    let id = CartId(Uuid::from_u128(1));
    assert_eq!(id.to_text(), "00000000-0000-0000-0000-000000000001");
    assert_eq!(id.to_string(), id.to_text());
    assert_eq!(CartId::from_text(&id.to_text()).unwrap(), id);
    assert_eq!("00000000-0000-0000-0000-000000000001".parse::<CartId>().unwrap(), id);
    assert_eq!(CartId::from_text("7").unwrap_err().to_string(), "`7` is not a valid CartId");
    assert_eq!(Seat::from_text("12").unwrap(), Seat { number: 12 });
    assert_eq!(format!("{:>4}|{:<4}|", Seat { number: 12 }, Seat { number: 7 }), "  12|7   |");
    assert_eq!("70000".parse::<Seat>().unwrap_err().to_string(), "`70000` is not a valid Seat");
    assert_eq!((Isbn("3".into()).to_text().as_ref(), Isbn("3".into()).to_string().as_str()), ("3", "ISBN 3"));
}

#[test]
fn an_unknown_type_is_told_apart_from_other_mistakes() {
    let refused = AccountEvent::decode(EncodedEvent::new("account", "account.gifted", 1, "{}")).unwrap_err();
    assert!(matches!(refused.kind(), DecodeErrorKind::UnknownType));
    assert_eq!(refused.event_type(), "account.gifted");
}

fn guess(_: Value) -> Value {
    json!({ "celsius": 1.5 })
}

mod states {
    use super::*;
    use es_core::Caching;

    #[derive(Event, Serialize, Deserialize)]
    #[event(category = "state")]
    enum StateEvent {
        Changed,
    }

    macro_rules! state {
        ($name:ident, [$($derive:ident),*] $($key:ident)*) => {
            #[derive(Aggregate, Default, $($derive),*)]
            #[aggregate(id = u32, event = StateEvent, apply = $name::apply $(, $key)*)]
            struct $name;

            impl $name {
                fn apply(&mut self, _: StateEvent) {}
            }
        };
    }

    state!(Copied, [Clone]);
    state!(Single, []);
    state!(Kept, [Clone] cached);
    state!(Patient, [Clone] one_at_a_time);
    state!(KeptAndPatient, [Clone] cached one_at_a_time);

    #[derive(Aggregate, Clone, Default)]
    #[aggregate(id = u32, event = StateEvent, apply = Generic::apply)]
    struct Generic<T: Clone + Default + Send + Sync + 'static>(T);

    impl<T: Clone + Default + Send + Sync + 'static> Generic<T> {
        fn apply(&mut self, _: StateEvent) {}
    }

    fn is_as<A: Aggregate>(caching: &Caching<A>) -> bool {
        format!("{:?}", A::caching()) == format!("{caching:?}")
    }

    #[test]
    fn are_handed_on_where_they_can_be_copied() {
        assert!(is_as::<Copied>(&Caching::while_busy()));
        assert!(is_as::<Generic<u8>>(&Caching::while_busy()));
        assert!(is_as::<Single>(&Caching::never()));
        assert!(is_as::<Kept>(&Caching::cloned()));
        assert!(is_as::<Patient>(&Caching::never()));
        assert!(is_as::<KeptAndPatient>(&Caching::cloned().one_at_a_time()));
        assert!(!is_as::<Copied>(&Caching::cloned()) && !is_as::<Copied>(&Caching::never()));
    }
}
