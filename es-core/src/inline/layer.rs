//! One projection of an inline store, of any kind.

use std::time::Instant;

use crate::error::{BoxError, Error};
use crate::inline::OpenError;
use crate::projection::{Batch, NotPrepared};
use crate::read_model::{ProjectionId, ReadModelStore, ReadModelTransaction};
use crate::recorded::{Appended, NewEvent, Position, RawEvent, Recorded};
use crate::retry::Retry;
use crate::runner::guard::guarded;
use crate::runner::work::{Scope, Work};
use crate::store::{BoxFuture, EventFilter, ReadLog};
use crate::stream::{StreamId, Version};

/// A projection, and what was found out about it when the store was opened.
pub(super) struct Opened<S: ReadModelStore> {
    pub(super) id: ProjectionId,
    pub(super) filter: EventFilter,
    pub(super) layer: Box<dyn Layer<S>>,
}

/// What was just appended.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) stream: &'a StreamId,
    pub(super) events: &'a [NewEvent],
    pub(super) appended: Appended,
}

impl New<'_> {
    /// The events, as a reader of the stream will find them.
    fn raw(&self) -> impl Iterator<Item = RawEvent<'_>> {
        let before = self.appended.version.0.saturating_sub(self.events.len() as u64);
        self.events.iter().zip(before + 1..).map(|(event, version)| RawEvent {
            id: event.id,
            stream: self.stream.clone(),
            version: Version(version),
            position: None,
            event_type: &event.event_type,
            schema_version: event.schema_version,
            payload: &event.payload,
            metadata: event.metadata.clone(),
            recorded_at: self.appended.recorded_at,
        })
    }
}

/// A projection of any kind.
pub(super) trait Layer<S: ReadModelStore>: Send + Sync {
    fn take_in<'a>(
        &'a self,
        opened: &'a Opened<S>,
        store: &'a S,
        new: New<'a>,
        transaction: &'a mut S::Transaction,
    ) -> BoxFuture<'a, Result<(), Error>>;

    fn build<'a>(&'a self, opened: &'a Opened<S>, store: &'a S) -> BoxFuture<'a, Result<(), OpenError>>;
}

impl<S: ReadModelStore, W: Work<S>> Layer<S> for W {
    fn take_in<'a>(
        &'a self,
        opened: &'a Opened<S>,
        store: &'a S,
        new: New<'a>,
        transaction: &'a mut S::Transaction,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let Opened { id, filter, .. } = opened;
            let wanted = new.raw().filter(|raw| filter.allows(raw.stream.category(), raw.event_type));
            let events = wanted.map(RawEvent::decode).collect::<Result<Vec<Recorded<W::Event>>, _>>();
            let events = events.map_err(|unreadable| refused(id, unreadable))?;
            project(self, store, id, &Batch::new(&events, false), transaction).await
        })
    }

    fn build<'a>(&'a self, opened: &'a Opened<S>, store: &'a S) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async move {
            let Opened { id, filter, .. } = opened;
            let mut transaction = store.begin().await?;
            transaction.hold_appends().await?;
            let end = store.log_end().await?;
            let cleared = guarded(self.clear(id, &mut transaction)).await.map_err(BoxError::from).flatten();
            cleared.map_err(|source| not_cleared(store, id, source))?;
            let mut next = Position::START;
            while next < end {
                let mut events = Vec::new();
                let mut visit = |raw: RawEvent<'_>| {
                    events.push(raw.decode()?);
                    Ok(())
                };
                let page = store.read_log(ReadLog::after(next).filter(filter.clone()), &mut visit).await;
                let page = page.map_err(|error| not_built(id, error))?;
                let built = project(self, store, id, &Batch::new(&events, true), &mut transaction).await;
                built.map_err(|error| not_built(id, error))?;
                next = if page.at_end { end } else { page.next };
            }
            Ok(transaction.commit().await?)
        })
    }
}

/// Builds it, however often an append comes in between.
pub(super) async fn build<S: ReadModelStore>(opened: &Opened<S>, store: &S) -> Result<(), OpenError> {
    let (retry, start) = (Retry::default(), Instant::now());
    let mut attempts = 0;
    loop {
        attempts += 1;
        match opened.layer.build(opened, store).await {
            Err(error) if error.is_transient() && retry.allows(attempts, start.elapsed()) => retry.wait(attempts).await,
            built => return built,
        }
    }
}

async fn project<S: ReadModelStore, W: Work<S>>(
    work: &W,
    store: &S,
    id: &ProjectionId,
    batch: &Batch<'_, W::Event>,
    transaction: &mut S::Transaction,
) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let taken = guarded(work.take_in(Scope { id, shared: true }, batch, transaction)).await;
    taken
        .map_err(BoxError::from)
        .flatten()
        .map_err(|source| if store.is_transient(&source) { Error::unavailable(source) } else { refused(id, source) })
}

/// The store's own failures, with which documents are loaded and saved, stay what they are.
fn refused(id: &ProjectionId, source: impl Into<BoxError>) -> Error {
    match source.into().downcast::<Error>() {
        Ok(error) if matches!(*error, Error::Store { .. } | Error::Setup { .. }) => *error,
        Ok(error) => Error::Refused { projection: id.clone(), source: error },
        Err(source) => Error::Refused { projection: id.clone(), source },
    }
}

fn not_cleared<S: ReadModelStore>(store: &S, id: &ProjectionId, source: BoxError) -> OpenError {
    if store.is_transient(&source) {
        return Error::unavailable(source).into();
    }
    if source.is::<NotPrepared>() { OpenError::NoClear { id: id.clone() } } else { not_built(id, refused(id, source)) }
}

fn not_built(id: &ProjectionId, error: Error) -> OpenError {
    match error {
        Error::Refused { projection, source } => OpenError::NotBuilt { id: projection, source },
        unreadable @ Error::Decode { .. } => OpenError::NotBuilt { id: id.clone(), source: unreadable.into() },
        error => OpenError::Store(error),
    }
}
