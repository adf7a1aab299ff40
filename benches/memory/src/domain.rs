//! The smallest account: a state of two numbers, events of one field.

use std::convert::Infallible;

use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
pub(crate) enum AccountEvent {
    Deposited { amount: u64 },
    Withdrawn { amount: u64 },
}

#[derive(Clone, Default)]
pub(crate) struct Balance {
    pub(crate) balance: u64,
    pub(crate) movements: u64,
}

impl Balance {
    fn apply(&mut self, event: AccountEvent) {
        self.movements += 1;
        match event {
            AccountEvent::Deposited { amount } => self.balance += amount,
            AccountEvent::Withdrawn { amount } => self.balance -= amount,
        }
    }

    /// It needs the state, so that nothing can be done without it.
    fn deposit(&self, amount: u64) -> AccountEvent {
        let too_rich = self.balance > u64::MAX / 2;
        if too_rich { AccountEvent::Withdrawn { amount } } else { AccountEvent::Deposited { amount } }
    }
}

/// What both kinds of accounts have in common, so that they can be measured by the same code.
pub(crate) trait Account: Aggregate<Id = String, Event = AccountEvent> {
    fn balance(&self) -> &Balance;
}

/// As most aggregates are: each command loads its own.
#[derive(Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Loaded::take)]
pub(crate) struct Loaded(Balance);

impl Loaded {
    fn take(&mut self, event: AccountEvent) {
        self.0.apply(event);
    }

    fn decide(&self, command: Deposit, _: &Context) -> Result<AccountEvent, Infallible> {
        Ok(self.0.deposit(command.amount))
    }
}

impl Account for Loaded {
    fn balance(&self) -> &Balance {
        &self.0
    }
}

/// Kept at hand between commands.
#[derive(Aggregate, Clone, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Cached::take, cached)]
pub(crate) struct Cached(Balance);

impl Cached {
    fn take(&mut self, event: AccountEvent) {
        self.0.apply(event);
    }

    fn decide(&self, command: DepositCached, _: &Context) -> Result<AccountEvent, Infallible> {
        Ok(self.0.deposit(command.amount))
    }
}

impl Account for Cached {
    fn balance(&self) -> &Balance {
        &self.0
    }
}

#[derive(Clone, Command)]
#[command(aggregate = Loaded, handle = Loaded::decide, error = Infallible)]
pub(crate) struct Deposit {
    pub(crate) id: String,
    pub(crate) amount: u64,
}

#[derive(Clone, Command)]
#[command(aggregate = Cached, handle = Cached::decide, error = Infallible)]
pub(crate) struct DepositCached {
    pub(crate) id: String,
    pub(crate) amount: u64,
}
