//! The work that all systems share: accounts, their deposits, and what must come out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// About 125 bytes of JSON, as events have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deposit {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reference: String,
    pub(crate) channel: String,
    pub(crate) note: String,
}

impl Deposit {
    pub(crate) fn of(amount: i64) -> Self {
        Self {
            amount,
            currency: "EUR".to_owned(),
            reference: "0198c1de-7b52-7c2e-9f3a-5d2c1b0a9e8f".to_owned(),
            channel: "mobile".to_owned(),
            note: "rent for November".to_owned(),
        }
    }
}

/// What every account stands at.
pub(crate) type Balances = BTreeMap<Uuid, i64>;

/// A set of accounts, each with as many deposits as the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Tells one set of accounts from another.
    pub(crate) set: u32,
    pub(crate) accounts: u32,
    pub(crate) events_each: u32,
    /// How many of these each account has before it is filled.
    pub(crate) stored: u32,
}

/// One further deposit for each account: what is stored at once when a system is filled. So the events of an account lie
/// apart in the log, with those of all others between them.
pub(crate) struct Layer {
    /// From 1.
    pub(crate) version: u32,
    pub(crate) deposits: Vec<(Uuid, Deposit)>,
}

impl Work {
    /// None yet.
    pub(crate) fn of(set: u32) -> Self {
        Self { set, accounts: 0, events_each: 0, stored: 0 }
    }

    pub(crate) fn events(&self) -> u64 {
        u64::from(self.accounts) * u64::from(self.events_each)
    }

    pub(crate) fn account(&self, number: u32) -> Uuid {
        // Spread over the whole range, as ids are that were drawn by chance.
        let place = (u128::from(self.set) << 32) | u128::from(number + 1);
        uuid::Builder::from_random_bytes(place.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes())
            .into_uuid()
    }

    pub(crate) fn amount(number: u32, version: u32) -> i64 {
        i64::from((number.wrapping_mul(31) + version.wrapping_mul(7)) % 100 + 1)
    }

    pub(crate) fn layers(&self) -> impl Iterator<Item = Layer> + Send {
        let work = *self;
        (work.stored + 1..=work.events_each).map(move |version| {
            let deposit = |number| (work.account(number), Deposit::of(Self::amount(number, version)));
            Layer { version, deposits: (0..work.accounts).map(deposit).collect() }
        })
    }

    /// The amounts of one account, in the order in which they were paid in.
    pub(crate) fn amounts(&self, number: u32) -> Vec<i64> {
        (1..=self.events_each).map(|version| Self::amount(number, version)).collect()
    }

    pub(crate) fn truth(&self) -> Balances {
        (0..self.accounts).map(|number| (self.account(number), self.amounts(number).iter().sum())).collect()
    }
}
