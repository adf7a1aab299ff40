//! A ledger in which each order is to be booked once.

use std::convert::Infallible;

use es_core::{Aggregate, Command, Context, Event};
use serde::{Deserialize, Serialize};

/// One of the parts that an order is booked in: together, or not at all.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(category = "ledger")]
pub enum LedgerEvent {
    Booked { order: u64, parts: u64 },
    Noted,
}

#[derive(Aggregate, Debug, Default)]
#[aggregate(id = String, event = LedgerEvent, apply = Ledger::apply)]
pub struct Ledger {
    pub events: u64,
}

#[derive(Clone, Debug, Command, Serialize)]
#[command(aggregate = Ledger, handle = Ledger::book, error = Infallible)]
pub struct Book {
    #[command(id)]
    pub ledger: String,
    pub order: u64,
    pub parts: u64,
}

impl Ledger {
    fn apply(&mut self, _: LedgerEvent) {
        self.events += 1;
    }

    fn book(&self, command: Book, _: &Context) -> Result<Vec<LedgerEvent>, Infallible> {
        let Book { order, parts, .. } = command;
        Ok((0..parts).map(|_| LedgerEvent::Booked { order, parts }).collect())
    }
}

impl Book {
    /// The same for the same number, in every process.
    pub fn of(order: u64) -> Self {
        Self { ledger: (order % 3).to_string(), order, parts: 1 + order % 2 }
    }

    pub fn key(&self) -> String {
        format!("order {}", self.order)
    }
}
