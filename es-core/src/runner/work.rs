//! What a projection does with a batch: the one place where projectors, documents and reactors differ.

use std::future::Future;
use std::marker::PhantomData;

use crate::document::{self, Document, InvalidIndex};
use crate::error::BoxError;
use crate::event::Event;
use crate::projection::{Batch, Projector};
use crate::read_model::{
    InvalidProjection, Lease, ProjectionId, ReadModelKind, ReadModelStore, ReadModelTransaction, Registration,
};
use crate::recorded::{Position, Recorded};
use crate::runner::guard::guarded_call;
use crate::store::{EventFilter, InvalidFilter};

/// A projector, documents, or a reactor, in the terms of the engine.
pub(crate) trait Work<S: ReadModelStore>: Send + Sync + 'static {
    /// Whether what it does, it does [ahead](Self::ahead) of the transaction, where no rollback reaches. It is silent about
    /// history then, which is passed over unread.
    const ACTS: bool = false;
    type Event: Event;

    /// What the store is told of it.
    fn registration() -> Result<Registration, InvalidProjection>;

    fn filter(&self) -> EventFilter;

    /// Whether queries can ask for the fields that they are to ask for: of documents.
    fn check_index(&self) -> Result<(), InvalidIndex> {
        Ok(())
    }

    /// Does what is to be done before the transaction is opened, event by event.
    fn ahead(&self, store: &S, batch: &Batch<'_, Self::Event>) -> impl Future<Output = Ahead> + Send {
        let _ = store;
        std::future::ready(Ahead::all(batch))
    }

    /// Takes in a batch inside the transaction. Others may write the same read model at the same time when it is `shared`.
    fn take_in(
        &self,
        scope: Scope<'_>,
        batch: &Batch<'_, Self::Event>,
        transaction: &mut S::Transaction,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Removes everything that was written.
    fn clear(
        &self,
        id: &ProjectionId,
        transaction: &mut S::Transaction,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Prepares to take in again what comes behind the place.
    fn rewind(
        &self,
        to: Position,
        transaction: &mut S::Transaction,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// History begins, or ends.
    fn replay(
        &self,
        signal: Replay,
        transaction: &mut S::Transaction,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Which events it wants to see, asked once, before anything begins: other people's code, which may panic or be mistaken.
pub(crate) fn filter_of<S: ReadModelStore, W: Work<S>>(work: &W) -> Result<EventFilter, InvalidFilter> {
    let filter = guarded_call(|| work.filter())
        .map_err(|panicked| InvalidFilter::Panicked { message: panicked.into_message() })?;
    filter.check::<W::Event>()?;
    Ok(filter)
}

/// How far a batch is done.
pub(crate) struct Ahead {
    /// So many of its first events are done. At least one, unless that one failed.
    pub(crate) events: usize,
    /// Why it is not the next one, if that failed.
    pub(crate) failed: Option<BoxError>,
}

impl Ahead {
    pub(crate) fn all<E>(events: &[Recorded<E>]) -> Self {
        Self { events: events.len(), failed: None }
    }
}

/// Whose read model is written.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) id: &'a ProjectionId,
    /// Whether others may write it at the same time.
    pub(crate) shared: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn of(lease: &'a Lease) -> Self {
        Self { id: &lease.id, shared: lease.parts > 1 }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Replay {
    Begins,
    Ends,
}

pub(crate) struct Project<P>(pub(crate) P);

impl<S: ReadModelStore, P: Projector<Target = S::Target>> Work<S> for Project<P> {
    type Event = P::Event;

    fn registration() -> Result<Registration, InvalidProjection> {
        Ok(Registration::new(ProjectionId::new(P::NAME, P::VERSION)?, ReadModelKind::Projector))
    }

    fn filter(&self) -> EventFilter {
        self.0.filter()
    }

    async fn take_in(
        &self,
        _: Scope<'_>,
        batch: &Batch<'_, P::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<(), BoxError> {
        self.0.project_batch(batch, transaction.target()).await.map_err(Into::into)
    }

    async fn clear(&self, _: &ProjectionId, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        self.0.clear(transaction.target()).await
    }

    async fn rewind(&self, to: Position, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        self.0.rewind(to, transaction.target()).await
    }

    async fn replay(&self, signal: Replay, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        let told = match signal {
            Replay::Begins => self.0.replay_begins(transaction.target()).await,
            Replay::Ends => self.0.replay_ends(transaction.target()).await,
        };
        told.map_err(Into::into)
    }
}

pub(crate) struct Fold<D>(PhantomData<fn() -> D>);

impl<D> Fold<D> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

/// Documents cannot tell what an event has changed in them.
#[derive(Debug, thiserror::Error)]
#[error("documents are folded values, and would count events twice: ask for a rebuild")]
struct OnlyForwards;

impl<S: ReadModelStore, D: Document> Work<S> for Fold<D> {
    type Event = D::Event;

    fn registration() -> Result<Registration, InvalidProjection> {
        let id = ProjectionId::new(D::NAME, D::VERSION)?;
        Ok(Registration { indexed: D::INDEXED, ..Registration::new(id, ReadModelKind::Documents) })
    }

    fn filter(&self) -> EventFilter {
        D::filter()
    }

    fn check_index(&self) -> Result<(), InvalidIndex> {
        document::check_index::<D>()
    }

    async fn take_in(
        &self,
        scope: Scope<'_>,
        batch: &Batch<'_, D::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<(), BoxError> {
        document::fold_batch::<D, _>(scope.id, scope.shared, batch, transaction).await
    }

    async fn clear(&self, id: &ProjectionId, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        Ok(transaction.clear_documents(id).await?)
    }

    async fn rewind(&self, _: Position, _: &mut S::Transaction) -> Result<(), BoxError> {
        Err(OnlyForwards.into())
    }

    async fn replay(&self, _: Replay, _: &mut S::Transaction) -> Result<(), BoxError> {
        Ok(())
    }
}
