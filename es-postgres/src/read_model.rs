//! Read models: the store as their keeper.
//!
//! A batch costs, beside the statements of the projection itself, three round trips: begin, the checkpoint, commit.

mod checkpoint;
mod dead_letters;
mod document_query;
mod documents;
mod lease;
mod registration;
mod statements;
mod status;
mod transaction;
mod words;

use std::future::Future;
use std::time::Duration;

use es_core::{
    BoxError, Claim, Control, ControlAnswer, DeadLetter, DocumentQuery, Error, EventFilter, EventStore, FailureClass,
    Lease, Position, ProjectionId, ProjectionStatus, Pulse, Reached, ReadModelStore, Registration, Renewal, Slices,
    TakenIn, Timestamp, Written,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connections::Ask;
use crate::error;
use crate::store::PgStore;
use checkpoint::{AskReached, FindPlace};
use lease::{ClaimLease, End, LetGo, Renew};
use registration::{FindServing, FindTakenIn, Forget, ListParts, Register, TakeUp};
use status::ListProjections;
use transaction::Spoiled;
use words::{Divide, LeaveWord};

pub(crate) use statements::Statements;
pub use transaction::PgReadModelTransaction;

impl PgStore {
    async fn ask<A: Ask>(&self, mut ask: A) -> Result<A::Answer, Error> {
        self.connections().ask(self.sql(), &mut ask).await
    }

    /// A projection that nobody has started, or that was dropped, has no table, and so no documents.
    async fn unless_unknown<T>(
        &self,
        id: &ProjectionId,
        found: Result<T, Error>,
        nothing: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        match found {
            Err(Error::Setup { .. }) if self.parts(id).await?.is_empty() => Ok(nothing()),
            found => found,
        }
    }
}

impl ReadModelStore for PgStore {
    type Target = PgConnection;
    type Transaction = PgReadModelTransaction;

    async fn register(&self, registration: &Registration) -> Result<bool, Error> {
        let live_from = if registration.has_history { self.log_end().await? } else { Position::START };
        self.ask(Register { registration, live_from }).await
    }

    async fn taken_in(&self, id: &ProjectionId) -> Result<Option<TakenIn>, Error> {
        Ok(match self.ask(FindTakenIn(id)).await? {
            Some((taken_in, true)) => Some(TakenIn::new(taken_in.filter, self.log_end().await?)),
            found => found.map(|(taken_in, _)| taken_in),
        })
    }

    async fn take_up(&self, id: &ProjectionId, wanted: &EventFilter) -> Result<(), Error> {
        self.ask(TakeUp(id, wanted)).await
    }

    async fn parts(&self, id: &ProjectionId) -> Result<Vec<Slices>, Error> {
        self.ask(ListParts(id)).await
    }

    async fn claim(&self, id: &ProjectionId, first: u16, owner: Uuid, lease: Duration) -> Result<Claim, Error> {
        self.ask(ClaimLease { id, first, owner, lease }).await
    }

    async fn renew(&self, held: &Lease, lease: Duration, pulse: &Pulse) -> Result<Renewal, Error> {
        self.ask(Renew { held, lease, pulse }).await
    }

    async fn release(&self, held: &Lease) -> Result<(), Error> {
        self.ask(End(held, LetGo::Release)).await
    }

    async fn begin(&self) -> Result<PgReadModelTransaction, Error> {
        PgReadModelTransaction::begin(self).await
    }

    async fn report_stop(&self, held: &Lease, reason: &str, class: FailureClass) -> Result<(), Error> {
        self.ask(End(held, LetGo::ReportStop(reason, class))).await
    }

    async fn control(&self, id: &ProjectionId, control: Control) -> Result<ControlAnswer, Error> {
        self.ask(LeaveWord(id, &control)).await
    }

    async fn divide(&self, id: &ProjectionId) -> Result<bool, Error> {
        self.ask(Divide(id)).await
    }

    async fn projections(&self) -> Result<Vec<ProjectionStatus>, Error> {
        self.ask(ListProjections).await
    }

    async fn reached(&self, ids: &[ProjectionId], written: Option<&Written>) -> Result<Vec<Option<Reached>>, Error> {
        self.ask(AskReached(ids, written)).await
    }

    async fn serving(&self, name: &str) -> Result<Option<ProjectionId>, Error> {
        self.ask(FindServing(name)).await
    }

    async fn drop_projection(&self, id: &ProjectionId) -> Result<bool, Error> {
        self.ask(Forget(id)).await
    }

    async fn list_dead_letters(
        &self,
        id: &ProjectionId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.ask(dead_letters::List(id, after, limit)).await
    }

    async fn get_documents(&self, id: &ProjectionId, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        let found = self.ask(documents::Load::new(self.connections().schema(), id, keys)).await;
        self.unless_unknown(id, found, || vec![None; keys.len()]).await
    }

    async fn list_documents(&self, id: &ProjectionId, query: &DocumentQuery) -> Result<Vec<(String, String)>, Error> {
        let found = self.ask(document_query::List::new(self.connections().schema(), id, query)).await;
        self.unless_unknown(id, found, Vec::new).await
    }

    async fn position_at(&self, time: Timestamp) -> Result<Position, Error> {
        self.ask(FindPlace(time)).await
    }

    /// An append through [`in_transaction`](PgStore::in_transaction) wakes nobody, because nobody here learns of its commit.
    fn appended(&self) -> impl Future<Output = ()> + Send {
        self.wakeup().next()
    }

    fn advanced(&self) -> impl Future<Output = ()> + Send {
        self.advances().next()
    }

    fn reads_beside_transactions(&self) -> bool {
        self.connections().max() > 1
    }

    /// The error itself, or whatever caused it, may be one of the database that passes.
    fn is_transient(&self, error: &BoxError) -> bool {
        causes(error).any(error::will_pass)
    }

    /// By a limit of the server's, such as `statement_timeout`, which somebody may have set for the role or the database.
    fn is_too_slow(&self, error: &BoxError) -> bool {
        causes(error).any(error::took_too_long)
    }

    /// By a `COMMIT` or `ROLLBACK` of its own, or a failed statement that it has said nothing about.
    fn is_spoiled(&self, error: &Error) -> bool {
        Spoiled::is_cause_of(error)
    }
}

/// The error itself, and whatever caused it.
fn causes(error: &BoxError) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = &**error;
    std::iter::successors(Some(first), |error| error.source())
}
