//! What has to be true when all is quiet, whatever happened before. The books say that every order has ended and that money and goods
//! balance; here is what they do not say:
//!
//! 1. **The partners agree.** Each service was asked for by one token for each order, that of the event which asks for it, with that
//!    event's amount, however often it was asked for; what was captured less what was refunded is what the shipped orders cost.
//! 2. **Customers were told the truth.** What was answered is stored, once; what was refused has left nothing.
//! 3. **Every event has a reason**, which comes before it, and from which it follows; and the first reason of all is a request of the
//!    person whom the order belongs to.
//! 4. **Every stream is a story that its aggregate can tell**: decided once more, event by event, it comes out the same.
//! 5. **Read models are a fold of the log**, and nothing is set aside.

mod partners;
mod reasons;
mod requests;
mod stories;
mod views;

use std::fmt;

use es_core::{EventStoreExt, Position, Recorded};
use es_postgres::PgStore;
use order::domain::ShopEvent;

use crate::customers::Told;
use crate::process::Task;

pub(crate) type Log = [Recorded<ShopEvent>];

#[derive(Default)]
pub(crate) struct Verdict {
    violations: Vec<String>,
    events: usize,
    /// How often partners were asked for what they had been asked for before.
    pub(crate) asked_again: u64,
}

impl Verdict {
    pub(crate) async fn of(task: &Task, store: &PgStore, told: &Told) -> Self {
        let log = store.log::<ShopEvent>(Position::START).collect().await.unwrap();
        let mut verdict = Self { events: log.len(), violations: told.differed.clone(), ..Self::default() };
        partners::check(task, &log, &mut verdict).await;
        requests::check(&told.answers, &log, &mut verdict);
        reasons::check(task, &log, &mut verdict);
        stories::check(&log, &mut verdict).await;
        views::check(store, &log, &mut verdict).await;
        verdict
    }

    fn unless(&mut self, is_right: bool, problem: impl FnOnce() -> String) {
        if !is_right {
            self.violations.push(problem());
        }
    }

    pub(crate) fn says(&self, what: &str) -> bool {
        self.violations.iter().any(|violation| violation.contains(what))
    }

    pub(crate) fn assert_none(&self, seed: u64) {
        let first: Vec<_> = self.violations.iter().take(5).collect();
        assert!(first.is_empty(), "seed {seed}: {} violations, such as {first:#?}", self.violations.len());
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { violations, events, asked_again } = self;
        write!(f, "{events} events, partners asked again {asked_again} times, {} violations", violations.len())
    }
}
