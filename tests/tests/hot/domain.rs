//! An account that commands come to all at once.

use es_core::{Aggregate, Caching, Command, Context, Event, Handle, IntoEvents, Snapshots, Version};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "account")]
pub enum AccountEvent {
    Deposited { amount: u64 },
    Withdrawn { amount: u64 },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub balance: i64,
    /// In which order everything came.
    pub digest: u64,
}

impl Aggregate for Account {
    type Id = String;
    type Event = AccountEvent;

    fn apply(&mut self, event: AccountEvent) {
        let change = match event {
            AccountEvent::Deposited { amount } => i64::try_from(amount).unwrap(),
            AccountEvent::Withdrawn { amount } => -i64::try_from(amount).unwrap(),
        };
        self.balance += change;
        self.digest = self.digest.wrapping_mul(31).wrapping_add_signed(change);
    }

    fn snapshots() -> Snapshots<Self> {
        Snapshots::every(10)
    }

    fn caching() -> Caching<Self> {
        Caching::cloned()
    }
}

/// Several at once, all or none. None is a command without events.
#[derive(Clone, Debug, Command, Serialize)]
#[command(aggregate = Account)]
pub struct Move {
    #[command(id)]
    pub account: String,
    pub events: Vec<AccountEvent>,
    /// Makes the events large, so that stores may treat them otherwise.
    pub times: usize,
}

/// Says what it was decided upon.
#[derive(Debug, thiserror::Error)]
#[error("{balance} at version {version} is not enough")]
pub struct TooLittle {
    pub balance: i64,
    pub digest: u64,
    pub version: Version,
}

impl Handle<Move> for Account {
    type Error = TooLittle;

    fn handle(&self, command: Move, context: &Context) -> Result<impl IntoEvents<AccountEvent>, TooLittle> {
        let mut after = self.clone();
        let mut events = Vec::new();
        for event in command.events.iter().cycle().take(command.events.len() * command.times) {
            after.apply(event.clone());
            if after.balance < 0 {
                let Self { balance, digest } = *self;
                return Err(TooLittle { balance, digest, version: context.version() });
            }
            events.push(event.clone());
        }
        Ok(events)
    }
}
