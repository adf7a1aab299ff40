//! A store with which things go wrong: before an append and behind it, and before the transaction that moves a checkpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use es_core::{Append, Appended, Error, EventStore, ReadModelStore, StreamId};
use es_postgres::PgStore;

use crate::faults::{Failed, Faults, Odds};
use crate::houses::is_stubborn;

const APPENDS: Odds = Odds { slow: 300, before: 200, behind: 200, death: 12 };
/// What was done ahead of the transaction was done, and comes again.
const BEGINS: Odds = Odds { slow: 200, before: 400, behind: 0, death: 40 };
/// So many appends to a stubborn stream fail, in each process: more than a reaction is tried.
const REFUSALS: u32 = 6;

#[derive(Clone)]
pub(crate) struct Flaky {
    pub(crate) inner: PgStore,
    pub(crate) faults: Faults,
    pub(crate) refused: Arc<Mutex<HashMap<StreamId, u32>>>,
}

impl Flaky {
    pub(crate) fn new(inner: PgStore, faults: Faults) -> Self {
        Self { inner, faults, refused: Arc::default() }
    }

    /// Some parcels cannot be prepared for a while, so that an order's stream is parked until somebody has it tried again.
    fn refuse(&self, append: &Append) -> Result<(), Error> {
        if append.stream.category() != "shipment" || !is_stubborn(append.stream.id()) || !self.faults.are_there() {
            return Ok(());
        }
        let mut refused = self.refused.lock().unwrap();
        let times = refused.entry(append.stream.clone()).or_default();
        *times += 1;
        if *times > REFUSALS { Ok(()) } else { Err(Error::store(Failed::Before)) }
    }
}

impl EventStore for Flaky {
    es_test_support::forward! {
        inner: find_key fold_stream read_stream read_log read_conversation find_event log_end save_snapshot
        offer_snapshot delete_snapshots
    }

    /// What was appended and is not told of is of unknown outcome, as when a connection is lost.
    async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.refuse(&append)?;
        let stream = append.stream.clone();
        let failed = |failed| match failed {
            Failed::Before => Error::store(failed),
            Failed::Behind => Error::UnknownOutcome { stream, source: failed.into() },
        };
        self.faults.around(APPENDS, failed, self.inner.append(append)).await
    }
}

impl ReadModelStore for Flaky {
    type Target = <PgStore as ReadModelStore>::Target;
    type Transaction = <PgStore as ReadModelStore>::Transaction;

    es_test_support::forward! {
        inner: register taken_in take_up parts claim renew release report_stop control divide projections
        reached serving drop_projection list_dead_letters get_documents list_documents position_at appended
        advanced is_transient is_too_slow
    }

    async fn begin(&self) -> Result<Self::Transaction, Error> {
        self.faults.around(BEGINS, Error::unavailable, self.inner.begin()).await
    }
}
