//! Accounts and orders, and what is told about them.

use std::collections::HashMap;
use std::convert::Infallible;

use es_core::{Aggregate, Command, Context, Document, Event, EventFilter, IntoKeys, NewEvent, Recorded};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "account")]
pub enum AccountEvent {
    Noted { text: String },
    SharedWith { accounts: Vec<String> },
    Lit { fuse: Fuse },
    Closed,
}

pub fn noted(text: impl Into<String>) -> AccountEvent {
    AccountEvent::Noted { text: text.into() }
}

/// What tomorrow's code knows: one more type.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "account")]
pub enum LaterEvent {
    Noted { text: String },
    SharedWith { accounts: Vec<String> },
    Lit { fuse: Fuse },
    Closed,
    Audited { by: String },
}

/// An event that today's code does not know.
pub fn audited(by: &str) -> NewEvent {
    NewEvent::new("account.audited", 1, format!(r#"{{"by":"{by}"}}"#))
}

/// An event that cannot be read without a panic.
pub fn lit() -> NewEvent {
    NewEvent::new("account.lit", 1, r#"{"fuse":true}"#)
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fuse(bool);

impl<'de> Deserialize<'de> for Fuse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let burns = bool::deserialize(deserializer)?;
        assert!(!burns, "the fuse burns");
        Ok(Self(burns))
    }
}

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
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

/// What a projector of the tests needs to know of an event.
pub trait Told {
    fn text(&self) -> String;
}

impl Told for AccountEvent {
    fn text(&self) -> String {
        match self {
            Self::Noted { text } => text.clone(),
            other => format!("{other:?}"),
        }
    }
}

impl Told for LaterEvent {
    fn text(&self) -> String {
        match self {
            Self::Noted { text } => text.clone(),
            Self::Audited { by } => format!("audited by {by}"),
            other => format!("{other:?}"),
        }
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(id = String, event = AccountEvent, apply = Account::pass_by)]
pub struct Account;

impl Account {
    fn pass_by(&mut self, _: AccountEvent) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(id = String, event = OrderEvent, apply = Order::pass_by)]
pub struct Order;

impl Order {
    fn pass_by(&mut self, _: OrderEvent) {}
}

/// Writes a note, or none.
#[derive(Clone, Debug, Command, Serialize)]
#[command(aggregate = Account, handle = write, error = Infallible)]
pub struct Write {
    pub id: String,
    pub text: Option<String>,
}

fn write(_: &Account, command: Write, _: &Context) -> Result<Option<AccountEvent>, Infallible> {
    Ok(command.text.map(noted))
}

/// Everything that concerns an account, in order: its own events, those of accounts that share with it, and its orders.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statement<const VERSION: u32> {
    pub trail: Vec<String>,
    closed: bool,
}

impl<const VERSION: u32> Document for Statement<VERSION> {
    const NAME: &'static str = "statement";
    const VERSION: u32 = VERSION;
    type Event = Everything;

    fn key(event: &Recorded<Everything>) -> impl IntoKeys {
        let own = event.stream.id().to_owned();
        match &event.event {
            // One account is named twice, which counts once.
            Everything::Account(AccountEvent::SharedWith { accounts }) => [&[own.clone(), own], &accounts[..]].concat(),
            Everything::Account(AccountEvent::Noted { text }) if text == "private" => vec![],
            Everything::Account(_) => vec![own],
            Everything::Order(OrderEvent::Placed { account }) => vec![account.clone()],
        }
    }

    fn apply(&mut self, event: &Recorded<Everything>) {
        self.trail.push(format!("{}@{}", event.stream, event.version));
        self.closed = matches!(event.event, Everything::Account(AccountEvent::Closed));
    }

    fn is_deleted(&self) -> bool {
        self.closed
    }
}

/// A document whose own code panics.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Fragile;

impl Document for Fragile {
    const NAME: &'static str = "fragile";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        assert!(event.event != noted("no key"), "there is no key");
        event.stream.id().to_owned()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        assert!(event.event != noted("break"), "it is broken");
    }
}

/// What JSON cannot hold: a note `not a number` makes the spread one, `not a text` gives a map keys that are not texts, and `left
/// out` leaves out a field that has no default.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    pub mean: f64,
    spread: Option<f64>,
    seen: HashMap<Option<bool>, u32>,
    #[serde(skip_serializing_if = "bool::clone")]
    left_out: bool,
}

impl Document for Mean {
    const NAME: &'static str = "mean";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id().to_owned()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        match event.event.text().as_str() {
            "not a number" => self.spread = Some(f64::NAN),
            "not a text" => drop(self.seen.insert(None, 1)),
            "left out" => self.left_out = true,
            _ => self.mean += 1.0,
        }
    }
}

/// Documents whose filter names a type that there is not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Misspelt;

impl Document for Misspelt {
    const NAME: &'static str = "misspelt";
    type Event = Everything;

    fn key(_: &Recorded<Everything>) -> impl IntoKeys {}

    fn apply(&mut self, _: &Recorded<Everything>) {}

    fn filter() -> EventFilter {
        EventFilter::categories(["order"]).types(["order.plaecd"])
    }
}

/// Documents whose filter panics.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Unasked;

impl Document for Unasked {
    const NAME: &'static str = "unasked";
    type Event = AccountEvent;

    fn key(_: &Recorded<AccountEvent>) -> impl IntoKeys {}

    fn apply(&mut self, _: &Recorded<AccountEvent>) {}

    fn filter() -> EventFilter {
        panic!("nobody knows")
    }
}

/// How many are open under a name: a note `+name` opens one, and `-name` closes one, in whichever stream and order. With none
/// open the document goes.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally<const VERSION: u32> {
    pub open: i64,
}

impl<const VERSION: u32> Document for Tally<VERSION> {
    const NAME: &'static str = "tally";
    const VERSION: u32 = VERSION;
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        match &event.event {
            AccountEvent::Noted { text } if text.starts_with(['+', '-']) => Some(text[1..].to_owned()),
            _ => None,
        }
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        self.open += if event.event.text().starts_with('+') { 1 } else { -1 };
    }

    fn is_deleted(&self) -> bool {
        self.open == 0
    }
}
