//! Reactors and effects in the terms of the engine: what they do lies outside of the transaction.
//!
//! A reaction needs connections of its own, for as long as it likes. A transaction that was held open meanwhile would keep one
//! from everybody else, and two such that wait for a connection would wait for ever. So it is done before the transaction
//! is opened, and the transaction only moves the checkpoint. Between the two a crash has the event come again: commands are
//! recognised by their keys then, and effects by their token.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{BoxError, Error};
use crate::event::Event;
use crate::metadata::Metadata;
use crate::projection::Batch;
use crate::reactor::{BeginsAt, CommandRejected, Effect, Reactor, carry_out};
use crate::read_model::{InvalidProjection, ProjectionId, ReadModelKind, ReadModelStore, Registration};
use crate::recorded::{Position, Recorded};
use crate::runner::guard::guarded;
use crate::runner::work::{Ahead, Replay, Scope, Work};
use crate::store::EventFilter;

/// The checkpoint of a reactor is moved this often while there is something to do, so that not much has to be recognised after a
/// crash, and it stops soon when it is asked to.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_millis(100);

/// What follows from an event.
pub(crate) trait Act<S>: Send + Sync + 'static {
    const NAME: &'static str;
    const BEGINS: BeginsAt;
    /// How long to go on before the checkpoint is moved. With zero it is moved after each event.
    const BETWEEN_CHECKPOINTS: Duration;
    type Event: Event;

    fn filter(&self) -> EventFilter;

    fn act(&self, store: &S, event: &Recorded<Self::Event>) -> impl Future<Output = Result<(), BoxError>> + Send;
}

pub(crate) struct React<R>(pub(crate) R);

impl<S: ReadModelStore, R: Reactor> Act<S> for React<R> {
    const NAME: &'static str = R::NAME;
    const BEGINS: BeginsAt = R::BEGINS;
    const BETWEEN_CHECKPOINTS: Duration = BETWEEN_CHECKPOINTS;
    type Event = R::Event;

    fn filter(&self) -> EventFilter {
        self.0.filter()
    }

    async fn act(&self, store: &S, event: &Recorded<R::Event>) -> Result<(), BoxError> {
        Box::pin(carry_out(store, &self.0, event)).await
    }
}

pub(crate) struct Perform<E>(pub(crate) E);

impl<S: ReadModelStore, E: Effect> Act<S> for Perform<E> {
    const NAME: &'static str = E::NAME;
    const BEGINS: BeginsAt = E::BEGINS;
    const BETWEEN_CHECKPOINTS: Duration = Duration::ZERO;
    type Event = E::Event;

    fn filter(&self) -> EventFilter {
        self.0.filter()
    }

    async fn act(&self, _: &S, event: &Recorded<E::Event>) -> Result<(), BoxError> {
        Metadata::following(event).scope(self.0.perform(event, event.id)).await.map_err(Into::into)
    }
}

/// What can be done once is not done again because somebody asks for it.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` reacts to events, and would do again what it has done")]
struct DoneOnce {
    name: &'static str,
}

pub(crate) struct Acting<A>(pub(crate) A);

impl<S: ReadModelStore, A: Act<S>> Work<S> for Acting<A> {
    const ACTS: bool = true;
    type Event = A::Event;

    fn registration() -> Result<Registration, InvalidProjection> {
        // There is no other version: nothing was written that could be built anew.
        let new = Registration::new(ProjectionId::new(A::NAME, 1)?, ReadModelKind::Reactor);
        Ok(Registration { has_history: A::BEGINS == BeginsAt::Present, ..new })
    }

    fn filter(&self) -> EventFilter {
        self.0.filter()
    }

    async fn ahead(&self, store: &S, batch: &Batch<'_, A::Event>) -> Ahead {
        let started = Instant::now();
        for (done, event) in (0..).zip(batch) {
            let acted = guarded(self.0.act(store, event)).await;
            if let Err(error) = acted.map_err(BoxError::from).flatten() {
                return Ahead { events: done, failed: Some(error) };
            }
            if started.elapsed() >= A::BETWEEN_CHECKPOINTS {
                return Ahead { events: done + 1, failed: None };
            }
        }
        Ahead::all(batch)
    }

    async fn take_in(&self, _: Scope<'_>, _: &Batch<'_, A::Event>, _: &mut S::Transaction) -> Result<(), BoxError> {
        Ok(())
    }

    async fn clear(&self, _: &ProjectionId, _: &mut S::Transaction) -> Result<(), BoxError> {
        Err(DoneOnce { name: A::NAME }.into())
    }

    async fn rewind(&self, _: Position, _: &mut S::Transaction) -> Result<(), BoxError> {
        Err(DoneOnce { name: A::NAME }.into())
    }

    async fn replay(&self, _: Replay, _: &mut S::Transaction) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Whether trying again may help. A refused command is refused again, and a key that stands for something else goes on doing so.
pub(crate) fn is_worth_trying_again(error: &BoxError) -> bool {
    !error.is::<CommandRejected>() && !error.downcast_ref::<Error>().is_some_and(Error::is_key_reused)
}
