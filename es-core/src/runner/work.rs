//! What a projection does with a batch: the one place where projectors and documents differ.

use std::future::Future;
use std::marker::PhantomData;

use crate::document::{self, Document};
use crate::error::BoxError;
use crate::event::Event;
use crate::projection::{Batch, Projector};
use crate::read_model::{ProjectionId, ReadModelKind, ReadModelStore, ReadModelTransaction};
use crate::store::EventFilter;

/// A projector, or documents, in the terms of the engine.
pub(super) trait Work<S: ReadModelStore>: Send + Sync + 'static {
    const KIND: ReadModelKind;
    type Event: Event;

    fn filter(&self) -> EventFilter;

    /// Takes in a batch inside the transaction.
    fn take_in(
        &self,
        id: &ProjectionId,
        batch: &Batch<'_, Self::Event>,
        transaction: &mut S::Transaction,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Removes everything that was written.
    fn clear(
        &self,
        id: &ProjectionId,
        transaction: &mut S::Transaction,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

pub(super) struct Project<P>(pub(super) P);

impl<S: ReadModelStore, P: Projector<Target = S::Target>> Work<S> for Project<P> {
    const KIND: ReadModelKind = ReadModelKind::Projector;
    type Event = P::Event;

    fn filter(&self) -> EventFilter {
        self.0.filter()
    }

    async fn take_in(
        &self,
        _: &ProjectionId,
        batch: &Batch<'_, P::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<(), BoxError> {
        self.0.project_batch(batch, transaction.target()).await.map_err(Into::into)
    }

    async fn clear(&self, _: &ProjectionId, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        self.0.clear(transaction.target()).await
    }
}

pub(super) struct Fold<D>(PhantomData<fn() -> D>);

impl<D> Fold<D> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S: ReadModelStore, D: Document> Work<S> for Fold<D> {
    const KIND: ReadModelKind = ReadModelKind::Documents;
    type Event = D::Event;

    fn filter(&self) -> EventFilter {
        D::filter()
    }

    async fn take_in(
        &self,
        id: &ProjectionId,
        batch: &Batch<'_, D::Event>,
        transaction: &mut S::Transaction,
    ) -> Result<(), BoxError> {
        document::fold_batch::<D, _>(id, batch, transaction).await
    }

    async fn clear(&self, id: &ProjectionId, transaction: &mut S::Transaction) -> Result<(), BoxError> {
        Ok(transaction.clear_documents(id).await?)
    }
}
