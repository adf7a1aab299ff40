//! The bank account that all sides share: the same events, the same state, the same decision. Only the plumbing differs.

use es_core::{Aggregate, Command, Context, Event, Snapshots};
use serde::{Deserialize, Serialize};

pub(crate) const CATEGORY: &str = "account";

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
pub(crate) enum AccountEvent {
    Opened(Opened),
    Deposited(Deposited),
    Withdrawn(Withdrawn),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) owner: String,
    pub(crate) amount: u64,
}

/// About 125 bytes of JSON, as events have them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Deposited {
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) reference: String,
    pub(crate) channel: String,
    pub(crate) note: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Withdrawn {
    pub(crate) amount: u64,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Balance {
    pub(crate) balance: u64,
    pub(crate) movements: u64,
}

impl Balance {
    pub(crate) fn apply(&mut self, event: AccountEvent) {
        self.movements += 1;
        match event {
            AccountEvent::Opened(Opened { amount, .. }) => self.balance = amount,
            AccountEvent::Deposited(Deposited { amount, .. }) => self.balance += amount,
            AccountEvent::Withdrawn(Withdrawn { amount }) => self.balance -= amount,
        }
    }

    pub(crate) fn deposit(&self, amount: u64) -> Result<AccountEvent, NotOpen> {
        if self.movements == 0 { Err(NotOpen) } else { Ok(deposited(amount)) }
    }
}

pub(crate) fn opened() -> AccountEvent {
    AccountEvent::Opened(Opened { owner: "Ada Lovelace".to_owned(), amount: 0 })
}

pub(crate) fn deposited(amount: u64) -> AccountEvent {
    AccountEvent::Deposited(Deposited {
        amount,
        currency: "EUR".to_owned(),
        reference: "0198c1de-7b52-7c2e-9f3a-5d2c1b0a9e8f".to_owned(),
        channel: "mobile".to_owned(),
        note: "rent for November".to_owned(),
    })
}

/// A history: opened, then deposits of 1, 2, 3, ….
pub(crate) fn history(events: usize) -> Vec<AccountEvent> {
    let deposits = (1..).map(|amount| deposited(amount % 100));
    std::iter::once(opened()).chain(deposits).take(events).collect()
}

#[derive(Debug, thiserror::Error)]
#[error("the account is not open")]
pub(crate) struct NotOpen;

/// The aggregate as most are: without snapshots.
#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Account::take)]
pub(crate) struct Account(pub(crate) Balance);

impl Account {
    fn take(&mut self, event: AccountEvent) {
        self.0.apply(event);
    }
}

/// The same with snapshots, which the benchmark takes itself.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Snapshotted(pub(crate) Balance);

impl Aggregate for Snapshotted {
    type Id = String;
    type Event = AccountEvent;

    fn apply(&mut self, event: AccountEvent) {
        self.0.apply(event);
    }

    fn snapshots() -> Snapshots<Self> {
        Snapshots::when(|_| false)
    }
}

#[derive(Clone, Command)]
#[command(aggregate = Account, handle = decide, error = NotOpen)]
pub(crate) struct Deposit {
    pub(crate) id: String,
    pub(crate) amount: u64,
}

fn decide(account: &Account, command: Deposit, _: &Context) -> Result<AccountEvent, NotOpen> {
    account.0.deposit(command.amount)
}
