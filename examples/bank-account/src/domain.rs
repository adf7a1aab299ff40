use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Event, Serialize, Deserialize)]
#[event(category = "account")]
pub enum AccountEvent {
    Opened { owner: String },
    Deposited { amount: u64 },
    Withdrawn { amount: u64 },
}

#[derive(Aggregate, Debug, Default)]
#[aggregate(id = String, event = AccountEvent, apply = apply)]
pub struct Account {
    pub balance: u128,
}

fn apply(acct: &mut Account, event: AccountEvent) {
    match event {
        AccountEvent::Opened { .. } => {}
        AccountEvent::Deposited { amount } => acct.balance += u128::from(amount),
        AccountEvent::Withdrawn { amount } => acct.balance -= u128::from(amount),
    }
}

#[derive(Clone, Command, Debug, Serialize)]
#[command(aggregate = Account, handle = decide, error = AccountError)]
pub enum AccountCommand {
    Open { id: String, owner: String },
    Deposit { id: String, amount: u64 },
    Withdraw { id: String, amount: u64 },
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the bank says no: {self:?}")]
pub enum AccountError {
    AlreadyOpen,
    NotOpen,
    InsufficientFunds,
}

fn decide(acct: &Account, command: AccountCommand, ctx: &Context) -> Result<AccountEvent, AccountError> {
    match command {
        AccountCommand::Open { owner, .. } if ctx.is_new() => Ok(AccountEvent::Opened { owner }),
        AccountCommand::Open { .. } => Err(AccountError::AlreadyOpen),
        _ if ctx.is_new() => Err(AccountError::NotOpen),
        AccountCommand::Withdraw { amount, .. } if acct.balance < amount.into() => Err(AccountError::InsufficientFunds),
        AccountCommand::Withdraw { amount, .. } => Ok(AccountEvent::Withdrawn { amount }),
        AccountCommand::Deposit { amount, .. } => Ok(AccountEvent::Deposited { amount }),
    }
}
