//! An account that commands come to all at once. Its state is kept at hand, or only handed on while it is busy.

use es_core::{Aggregate, Caching, Command, Context, Event, Handle, IntoEvents, Snapshots, Version};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "account")]
pub enum AccountEvent {
    Deposited { amount: u64 },
    Withdrawn { amount: u64 },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account<const KEPT: bool> {
    pub balance: i64,
    /// In which order everything came.
    pub digest: u64,
}

impl<const KEPT: bool> Aggregate for Account<KEPT> {
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
        if KEPT { Caching::cloned() } else { Caching::while_busy() }
    }
}

/// Several at once, all or none. None is a command without events.
#[derive(Clone, Debug, Command, Serialize)]
#[command(aggregate = Account<KEPT>)]
pub struct Move<const KEPT: bool> {
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

impl<const KEPT: bool> Handle<Move<KEPT>> for Account<KEPT> {
    type Error = TooLittle;

    fn handle(&self, command: Move<KEPT>, context: &Context) -> Result<impl IntoEvents<AccountEvent>, TooLittle> {
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
