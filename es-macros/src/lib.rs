//! The derives of es-core, which re-exports them: depend on es-core and take them from there.
//!
//! A derive goes through these files in this order: `attr` (syntax) → `model` → `check` → `expand`, or `fallback` when
//! the checks found a mistake.

mod attr;
mod case;
mod check;
mod crate_path;
mod ctxt;
mod derive;
mod expand;
mod fallback;
mod model;
mod nearest;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes an enum, or a struct, a set of events.
///
/// # Example: an event set
///
/// The category and the variant's name in snake case are the name of the event type. It is what the store keeps, so it
/// never follows a renamed variant by itself: give the variant `rename` with the old name then.
///
/// ```
/// use es_core::Event;
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "order")]
/// enum OrderEvent {
///     Placed { lines: u32 },                         // order.placed
///     #[event(rename = "order.sent", alias = "order.dispatched", alias = "order.shipped")]
///     Shipped(u64),                                  // written as order.sent, read under all three names
///     SKUChanged,                                    // order.sku_changed
/// }
///
/// let names: Vec<_> = OrderEvent::TYPES.iter().map(|t| t.name()).collect();
/// assert_eq!(names, ["order.placed", "order.sent", "order.sku_changed"]);
/// ```
///
/// # Example: a shape that changed
///
/// `version` is the schema version that new events are written in. `upcast` names, for each version before it, the
/// function that takes an event to the next; one that is missing is a compile error. Such a function takes a
/// `serde_json::Value` and returns one, or a `Result` of one.
///
/// ```
/// use es_core::{EncodedEvent, Event};
/// use serde_json::{Value, json};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// #[event(category = "account")]
/// enum AccountEvent {
///     #[event(version = 3, upcast(1 = euros_to_cents, 2 = with_currency))]
///     Deposited { cents: u64, currency: String },
/// }
///
/// fn euros_to_cents(old: Value) -> Result<Value, &'static str> {
///     Ok(json!({ "cents": old["euros"].as_u64().ok_or("no euros")? * 100 }))
/// }
///
/// fn with_currency(mut old: Value) -> Value {
///     old["currency"] = json!("EUR");
///     old
/// }
///
/// let stored = EncodedEvent::new("account", "account.deposited", 1, r#"{"euros":7}"#);
/// let event = AccountEvent::Deposited { cents: 700, currency: "EUR".into() };
/// assert_eq!(AccountEvent::decode(stored).unwrap(), event);
/// ```
///
/// # Example: an enum composed of event structs
///
/// When every variant holds one named type, and none is there twice, the enum is *composed*: each type converts into it
/// and may be returned by a handler, and events are dispatched to the `Apply` of their own type. In any other enum the
/// type inside does not tell the variant, and events are dispatched as a whole, to `Apply<TheEnum>`.
///
/// ```
/// use es_core::{Dispatch, Apply, Event};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct CartFilled { items: u32 }
/// #[derive(Serialize, Deserialize)]
/// struct CartPaid;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(category = "cart")]
/// enum CartEvent { Filled(CartFilled), Paid(CartPaid) }
///
/// struct Cart(u32);
/// impl Apply<CartFilled> for Cart {
///     fn apply(&mut self, event: CartFilled) { self.0 = event.items }
/// }
/// impl Apply<CartPaid> for Cart {
///     fn apply(&mut self, _: CartPaid) { self.0 = 0 }
/// }
///
/// let mut cart = Cart(0);
/// CartEvent::from(CartFilled { items: 3 }).dispatch(&mut cart);
/// assert_eq!(cart.0, 3);
/// ```
///
/// # Example: a struct that is a set of one
///
/// ```
/// use es_core::Event;
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "sensor", rename = "sensor.measured")]
/// struct TemperatureMeasured { celsius: f64 }
///
/// assert_eq!(TemperatureMeasured { celsius: 1.5 }.event_type().name(), "sensor.measured");
/// ```
///
/// # Example: a union, for those who read several sets
///
/// A union has no category and no names of its own, and needs no serde. Nobody can write it to a stream.
///
/// ```
/// use es_core::{EncodedEvent, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Opened }
/// # #[derive(Event, serde::Serialize, serde::Deserialize, Debug)]
/// # #[event(category = "order")]
/// # enum OrderEvent { Placed }
///
/// #[derive(Event, Debug)]
/// #[event(union)]
/// enum Movement { Account(AccountEvent), Order(OrderEvent) }
///
/// let stored = EncodedEvent::new("order", "order.placed", 1, "{}");
/// assert!(matches!(Movement::decode(stored).unwrap(), Movement::Order(OrderEvent::Placed)));
/// ```
///
/// # Keys
///
/// | on | key | |
/// |---|---|---|
/// | enum, struct | `category = "…"` | the first part of the names of all its streams; without `-` |
/// | enum | `union` | joins other sets, instead of having a category |
/// | variant, struct | `rename = "…"` | the name of the type in the store |
/// | variant, struct | `alias = "…"` | a name of older events; may be repeated |
/// | variant, struct | `version = 2` | the schema version of new events; the default is 1 |
/// | variant, struct | `upcast(1 = path)` | the way from each older version to the next |
/// | enum, struct | `crate = path` | where es-core is, for those who re-export it |
///
/// Serde's attributes hold for what is in a variant. Its attributes on the enum that change how variants are told apart,
/// such as `tag` or `untagged`, are refused, and so are `skip` and `other` on a variant.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    run(input, derive::event)
}

/// Makes a struct, or an enum, an aggregate.
///
/// # Example: one function that applies every event
///
/// ```
/// use es_core::{Aggregate, Event};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize)]
/// #[event(category = "account")]
/// enum AccountEvent { Deposited { amount: u64 } }
///
/// #[derive(Aggregate, Default)]
/// #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
/// struct Account { balance: u64 }
///
/// impl Account {
///     fn apply(&mut self, event: AccountEvent) {
///         let AccountEvent::Deposited { amount } = event;
///         self.balance += amount;
///     }
/// }
///
/// let mut account = Account::default();
/// account.apply(AccountEvent::Deposited { amount: 5 });
/// assert_eq!(account.balance, 5);
/// ```
///
/// # Example: one function for each event, and snapshots
///
/// Without `apply` each event goes to the `Apply` of its type. Snapshots need serde on the state, and raising `version`
/// whenever its shape or its meaning changes.
///
/// ```
/// use es_core::{Aggregate, Apply, Event};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct CartFilled { items: u32 }
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(category = "cart")]
/// enum CartEvent { Filled(CartFilled) }
///
/// #[derive(Aggregate, Default, Serialize, Deserialize)]
/// #[aggregate(id = u64, event = CartEvent, snapshot(every = 100, version = 2))]
/// struct Cart { items: u32 }
///
/// impl Apply<CartFilled> for Cart {
///     fn apply(&mut self, event: CartFilled) { self.items = event.items }
/// }
///
/// let mut cart = Cart::default();
/// Aggregate::apply(&mut cart, CartFilled { items: 3 }.into());
/// assert_eq!(cart.items, 3);
/// ```
///
/// # Keys
///
/// | key | |
/// |---|---|
/// | `id = Type` | what tells one aggregate from another; needed |
/// | `event = Type` | everything that can happen to it; needed |
/// | `apply = path` | a `fn(&mut Self, Event)` that applies all events |
/// | `snapshot(every = 100)` | a snapshot whenever so many events have come, at least 1 |
/// | `snapshot(slower_than_ms = 20)` | a snapshot whenever loading took longer |
/// | `snapshot(when = path)` | a snapshot whenever a `fn(&SnapshotInfo) -> bool` says so |
/// | `snapshot(…, version = 2)` | the version of the state, at least 1, which is the default |
/// | `cached` | the state is kept at hand between commands, as a clone; the type has to be `Clone` |
/// | `one_at_a_time` | many commands at once for one aggregate are stored one after the other; otherwise, where the type is `Clone`, each is decided upon the state that the one before leads to, and they are stored together |
/// | `crate = path` | where es-core is, for those who re-export it |
///
/// `apply = Account::apply` needs the inherent function: if there is none, the path could only mean the method that is
/// being implemented, and that is a compile error.
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn aggregate(input: TokenStream) -> TokenStream {
    run(input, derive::aggregate)
}

/// Makes a struct, or an enum, a command.
///
/// # Example: a command, and the function that decides on it
///
/// The id is the field marked `#[command(id)]`, or else the field called `id`; in an enum, of each variant. `handle` and
/// `error` write the `Handle` implementation, which may as well be written by hand.
///
/// ```
/// use es_core::{Aggregate, Command, Context, Event, Handle};
///
/// #[derive(Event, serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// #[event(category = "account")]
/// enum AccountEvent { Withdrawn { amount: u64 } }
///
/// #[derive(Aggregate, Default)]
/// #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
/// struct Account { balance: u64 }
///
/// #[derive(Debug, PartialEq, thiserror::Error)]
/// #[error("only {0} left")]
/// struct InsufficientFunds(u64);
///
/// #[derive(Command, Clone)]
/// #[command(aggregate = Account, handle = Account::withdraw, error = InsufficientFunds)]
/// struct Withdraw { #[command(id)] account: String, amount: u64 }
///
/// impl Account {
///     fn apply(&mut self, event: AccountEvent) {
///         let AccountEvent::Withdrawn { amount } = event;
///         self.balance -= amount;
///     }
///
///     fn withdraw(&self, command: Withdraw, _: &Context) -> Result<AccountEvent, InsufficientFunds> {
///         match self.balance.checked_sub(command.amount) {
///             Some(_) => Ok(AccountEvent::Withdrawn { amount: command.amount }),
///             None => Err(InsufficientFunds(self.balance)),
///         }
///     }
/// }
///
/// let command = Withdraw { account: "ada".into(), amount: 7 };
/// assert_eq!(command.aggregate_id(), "ada");
/// let refused = Account { balance: 5 }.handle(command, &Context::for_test()).err();
/// assert_eq!(refused, Some(InsufficientFunds(5)));
/// ```
///
/// # Keys
///
/// | on | key | |
/// |---|---|---|
/// | command | `aggregate = Type` | the kind of aggregate it is for; needed |
/// | command | `handle = path` | a `fn(&Aggregate, Command, &Context) -> Result<impl IntoEvents<Event>, Error>` |
/// | command | `error = Type` | the error of `handle`; the two come together |
/// | command | `crate = path` | where es-core is, for those who re-export it |
/// | field | `id` | this field holds the id |
#[proc_macro_derive(Command, attributes(command))]
pub fn command(input: TokenStream) -> TokenStream {
    run(input, derive::command)
}

/// Makes a struct, or an enum, a document: a read model that is a folded value for each key.
///
/// # Example: a balance for each account
///
/// The key is the id of the event's stream, and the name is the type's name in snake case. The name is what the store keeps,
/// so it never follows a renamed type by itself: give `name` with the old name then.
///
/// ```
/// use es_core::{Aggregate, Document, Event, EventStoreExt, ExpectedVersion, ReadModels, Runner};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(category = "account")]
/// enum AccountEvent { Deposited { cents: i64 }, Withdrawn { cents: i64 } }
///
/// #[derive(Debug, Default, Document, Serialize, Deserialize)]
/// #[document(event = AccountEvent, apply = |balance, event| balance.cents += event.event.change())]
/// struct Balance { cents: i64 }
///
/// impl AccountEvent {
///     fn change(&self) -> i64 {
///         match self {
///             Self::Deposited { cents } => *cents,
///             Self::Withdrawn { cents } => -cents,
///         }
///     }
/// }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = String, event = AccountEvent, apply = pass_by)]
/// # struct Account;
/// # fn pass_by(_: &mut Account, _: AccountEvent) {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = es_memory::MemoryStore::new();
/// let running = Runner::new(store.clone()).document::<Balance>().start().await?;
/// let events = vec![AccountEvent::Deposited { cents: 700 }, AccountEvent::Withdrawn { cents: 200 }];
/// store.append_events::<Account>("ada", ExpectedVersion::NoStream, events).await?;
/// running.catch_up().await?;
///
/// let balance = store.documents::<Balance>()?.get("ada").await?.ok_or("no balance")?;
/// assert_eq!(balance.cents, 500);
/// # running.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// # Example: an event that concerns two documents
///
/// `key` says which documents an event changes, in any form that is `IntoKeys`. With `apply_as` instead of `apply`, the
/// function learns which of them it is about to change.
///
/// ```
/// use es_core::{Document, Event, Recorded};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(category = "transfer")]
/// enum TransferEvent { Settled { from: String, to: String, cents: u64 }, Reversed }
///
/// #[derive(Default, Document, Serialize, Deserialize)]
/// #[document(event = TransferEvent, name = "turnover", version = 2, key = Turnover::both, apply_as = Turnover::book)]
/// #[document(deleted = |turnover| turnover.sent == 0 && turnover.received == 0, indexed("sent"))]
/// struct Turnover { sent: u64, received: u64 }
///
/// impl Turnover {
///     fn both(event: &Recorded<TransferEvent>) -> Vec<String> {
///         match &event.event {
///             TransferEvent::Settled { from, to, .. } => vec![from.clone(), to.clone()],
///             TransferEvent::Reversed => vec![],
///         }
///     }
///
///     fn book(&mut self, account: &str, event: &Recorded<TransferEvent>) {
///         let TransferEvent::Settled { from, cents, .. } = &event.event else { return };
///         let side = if account == from { &mut self.sent } else { &mut self.received };
///         *side += cents;
///     }
/// }
///
/// assert_eq!((Turnover::NAME, Turnover::VERSION, Turnover::INDEXED), ("turnover", 2, &["sent"][..]));
/// assert!(Turnover::default().is_deleted());
/// ```
///
/// # Keys
///
/// | key | |
/// |---|---|
/// | `event = Type` | the events it is folded from, of one aggregate or a union of several; needed |
/// | `apply = function` | a `fn(&mut Self, &Recorded<Event>)` that takes an event in; this, or the next, is needed |
/// | `apply_as = function` | a `fn(&mut Self, &str, &Recorded<Event>)`, which learns the key too |
/// | `key = function` | a `fn(&Recorded<Event>) -> impl IntoKeys`; the default is the id of the event's stream |
/// | `deleted = function` | a `fn(&Self) -> bool`: whether the document is to be removed; the default is never |
/// | `name = "…"` | 1 to 40 lower-case letters, digits and `_`, with a letter first; the default is the type's name in snake case |
/// | `version = 2` | the version of the documents' shape and meaning; the default is 1 |
/// | `indexed("…", "…")` | the fields that queries may ask for, by their names in the JSON; the default is none |
/// | `crate = path` | where es-core is, for those who re-export it |
///
/// A function is a path or a closure. A path such as `Balance::apply` needs the inherent function: if there is none, it could
/// only mean the method that is being implemented, and that is a compile error. Who calls `Document::apply` of a document
/// with `apply_as` gets what happens to the first key of the event.
///
/// The fields in `indexed` are compared with those of the struct and serde's attributes on them. Not with a `flatten`ed field,
/// with an `into`, or in an enum: there anything goes.
#[proc_macro_derive(Document, attributes(document))]
pub fn document(input: TokenStream) -> TokenStream {
    run(input, derive::document)
}

/// Makes a newtype the id of an aggregate, with the text form of what it wraps.
///
/// # Example: ids that cannot be mixed up
///
/// `Display` and `FromStr` come along; `#[aggregate_id(no_display)]` leaves both out for those who write their own.
///
/// ```
/// use es_core::AggregateId;
/// use uuid::Uuid;
///
/// #[derive(AggregateId, Clone, Copy, Debug, PartialEq)]
/// struct AccountId(Uuid);
///
/// let id = AccountId(Uuid::from_u128(7));
/// assert_eq!(id.to_string(), "00000000-0000-0000-0000-000000000007");
/// assert_eq!("00000000-0000-0000-0000-000000000007".parse(), Ok(id));
/// assert_eq!(AccountId::from_text("7").unwrap_err().to_string(), "`7` is not a valid AccountId");
/// ```
#[proc_macro_derive(AggregateId, attributes(aggregate_id))]
pub fn aggregate_id(input: TokenStream) -> TokenStream {
    run(input, derive::aggregate_id)
}

fn run(input: TokenStream, derive: fn(&syn::DeriveInput) -> proc_macro2::TokenStream) -> TokenStream {
    syn::parse(input).map_or_else(|error| error.to_compile_error(), |input| derive(&input)).into()
}
