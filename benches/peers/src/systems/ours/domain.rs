//! The account, four times: as most are, kept at hand, with snapshots, and with every amount remembered.

use es_core::{Aggregate, Command, Context, Event, Snapshots};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::work::Deposit;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
pub(crate) enum AccountEvent {
    Deposited(Deposit),
}

pub(crate) fn deposited(amount: i64) -> AccountEvent {
    AccountEvent::Deposited(Deposit::of(amount))
}

#[derive(Aggregate, Clone, Default, Serialize, Deserialize)]
#[aggregate(id = Uuid, event = AccountEvent, apply = Account::take)]
pub(crate) struct Account {
    pub(crate) balance: i64,
    deposits: u64,
}

impl Account {
    fn take(&mut self, AccountEvent::Deposited(deposit): AccountEvent) {
        self.balance += deposit.amount;
        self.deposits += 1;
    }

    fn pay_in(&self, amount: i64) -> Result<AccountEvent, NotOpen> {
        if self.deposits == 0 { Err(NotOpen) } else { Ok(deposited(amount)) }
    }
}

/// The same, kept at hand between commands.
#[derive(Aggregate, Clone, Default)]
#[aggregate(id = Uuid, event = AccountEvent, apply = Kept::take, cached)]
pub(crate) struct Kept(Account);

impl Kept {
    fn take(&mut self, event: AccountEvent) {
        self.0.take(event);
    }
}

/// The same with snapshots, which the benchmark takes itself.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Saved(pub(crate) Account);

impl Aggregate for Saved {
    type Id = Uuid;
    type Event = AccountEvent;

    fn apply(&mut self, event: AccountEvent) {
        self.0.take(event);
    }

    fn snapshots() -> Snapshots<Self> {
        Snapshots::when(|_| false)
    }
}

/// What the benchmark checks.
#[derive(Aggregate, Default)]
#[aggregate(id = Uuid, event = AccountEvent, apply = History::take)]
pub(crate) struct History {
    pub(crate) amounts: Vec<i64>,
}

impl History {
    fn take(&mut self, AccountEvent::Deposited(deposit): AccountEvent) {
        self.amounts.push(deposit.amount);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the account is not open")]
pub(crate) struct NotOpen;

#[derive(Debug, thiserror::Error)]
#[error("the account is open already")]
pub(crate) struct OpenAlready;

#[derive(Clone, Command)]
#[command(aggregate = Account, handle = open, error = OpenAlready)]
pub(crate) struct Open {
    pub(crate) id: Uuid,
    pub(crate) amount: i64,
}

fn open(account: &Account, command: Open, _: &Context) -> Result<AccountEvent, OpenAlready> {
    if account.deposits == 0 { Ok(deposited(command.amount)) } else { Err(OpenAlready) }
}

#[derive(Clone, Command)]
#[command(aggregate = Account, handle = pay_in, error = NotOpen)]
pub(crate) struct PayIn {
    pub(crate) id: Uuid,
    pub(crate) amount: i64,
}

fn pay_in(account: &Account, command: PayIn, _: &Context) -> Result<AccountEvent, NotOpen> {
    account.pay_in(command.amount)
}

#[derive(Clone, Command)]
#[command(aggregate = Kept, handle = pay_in_to_kept, error = NotOpen)]
pub(crate) struct PayInToKept {
    pub(crate) id: Uuid,
    pub(crate) amount: i64,
}

fn pay_in_to_kept(kept: &Kept, command: PayInToKept, _: &Context) -> Result<AccountEvent, NotOpen> {
    kept.0.pay_in(command.amount)
}
