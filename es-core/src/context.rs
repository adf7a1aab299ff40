//! The metadata at hand: what flows along a task by itself, from whoever began it to every command it runs.

use std::future::Future;

use crate::metadata::Metadata;
use crate::recorded::Recorded;

tokio::task_local! {
    static CURRENT: Metadata;
}

impl Metadata {
    /// Runs a future with this metadata at hand. Commands that it executes, and events that it appends, get from it
    /// whatever they do not say themselves: conversation, cause, actor, source, trace, and headers.
    ///
    /// It goes as far as the task goes. A task that is spawned inside begins with nothing at hand: hand it on with
    /// `Metadata::current().unwrap_or_default().scope(…)`. A scope inside a scope takes its place, and is not mixed with it.
    ///
    /// # Example: a request, and all that it does
    ///
    /// ```
    /// # use es_core::{Aggregate, Command, Context, Event};
    /// # #[derive(Event, serde::Serialize, serde::Deserialize)]
    /// # #[event(category = "door")]
    /// # enum DoorEvent { Opened }
    /// # #[derive(Aggregate, Default)]
    /// # #[aggregate(id = u32, event = DoorEvent, apply = apply)]
    /// # struct Door;
    /// # fn apply(_: &mut Door, _: DoorEvent) {}
    /// # fn open(_: &Door, _: Open, _: &Context) -> Result<DoorEvent, std::convert::Infallible> { Ok(DoorEvent::Opened) }
    /// # #[derive(Clone, Command)]
    /// # #[command(aggregate = Door, handle = open, error = std::convert::Infallible)]
    /// # struct Open { id: u32 }
    /// use es_core::{CorrelationId, EventStoreExt, Metadata};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = es_memory::MemoryStore::new();
    /// let request = Metadata::default().with_correlation(CorrelationId::new()).with_actor("ada");
    ///
    /// let opened = request.clone().scope(async { store.execute(Open { id: 7 }).source("door phone").await }).await?;
    /// let metadata = &opened.events[0].metadata;
    /// assert_eq!(metadata.correlation_id, request.correlation_id);
    /// assert_eq!((metadata.actor.as_deref(), metadata.source.as_deref()), (Some("ada"), Some("door phone")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// The metadata at hand, if there is any.
    ///
    /// # Example: hand it on to a task
    ///
    /// ```
    /// use es_core::Metadata;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let actor = async { Metadata::current().and_then(|metadata| metadata.actor) };
    /// let spawned = Metadata::default().with_actor("ada").scope(async {
    ///     let at_hand = Metadata::current().unwrap_or_default();
    ///     tokio::spawn(at_hand.scope(actor)).await
    /// });
    /// assert_eq!(spawned.await?.as_deref(), Some("ada"));
    /// assert_eq!(Metadata::current(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The metadata of whatever an event leads to: the conversation goes on, the event is the cause, and whoever was behind it,
    /// the channel it came in by and the trace go along. Its headers do not, since they are about that one event.
    ///
    /// # Example: of an event that nobody has put into a conversation
    ///
    /// ```
    /// use es_core::{Metadata, Recorded};
    ///
    /// fn is_a_beginning<E>(event: &Recorded<E>) -> bool {
    ///     event.metadata.correlation_id.is_none()
    ///         && Metadata::following(event).correlation_id.is_some_and(|id| id.0 == event.id.0)
    /// }
    /// # let _ = is_a_beginning::<()>;
    /// ```
    pub fn following<E>(event: &Recorded<E>) -> Self {
        let Self { actor, source, trace, .. } = event.metadata.clone();
        Self {
            correlation_id: Some(event.metadata.conversation(event.id)),
            causation_id: Some(event.id.into()),
            actor,
            source,
            trace,
            ..Self::default()
        }
    }

    /// Takes from the metadata at hand whatever is not said here.
    pub(crate) fn complete(&mut self) {
        // Outside of every scope nothing is at hand.
        let _ = CURRENT.try_with(|current| self.fill(current));
    }

    fn fill(&mut self, other: &Self) {
        let Self { correlation_id, causation_id, actor, source, trace, headers } = other;
        self.correlation_id = self.correlation_id.or(*correlation_id);
        self.causation_id = self.causation_id.or(*causation_id);
        fill(&mut self.actor, actor.as_ref());
        fill(&mut self.source, source.as_ref());
        fill(&mut self.trace, trace.as_ref());
        for (name, value) in headers {
            self.headers.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn fill<T: Clone>(field: &mut Option<T>, other: Option<&T>) {
    if field.is_none() {
        *field = other.cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{CausationId, CorrelationId, TraceContext};

    fn full() -> Metadata {
        let trace = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let metadata = Metadata::default().with_correlation(CorrelationId::new()).with_causation(CausationId::new());
        metadata.with_actor("ada").with_source("web").with_trace(trace).with_header("a", "1").with_header("b", "2")
    }

    #[tokio::test]
    async fn what_is_not_said_is_taken_from_what_is_at_hand() {
        let (at_hand, mut empty) = (full(), Metadata::default());
        at_hand.clone().scope(async { empty.complete() }).await;
        assert_eq!(empty, at_hand);
    }

    #[tokio::test]
    async fn what_is_said_stays() {
        let said = full().with_actor("bob").with_source("batch").with_header("a", "3");
        let mut completed = said.clone();
        full().scope(async { completed.complete() }).await;
        assert_eq!(completed, said);
    }

    #[tokio::test]
    async fn outside_of_every_scope_and_in_tasks_of_their_own_nothing_is_at_hand() {
        let spawned = full().scope(async { tokio::spawn(async { Metadata::current() }).await }).await;
        assert_eq!(spawned.unwrap(), None);
        let mut empty = Metadata::default();
        empty.complete();
        assert_eq!(empty, Metadata::default());
    }

    #[tokio::test]
    async fn a_scope_inside_a_scope_takes_its_place_and_ends() {
        let (outer, inner) = (full(), Metadata::default().with_source("inner"));
        let seen = outer.clone().scope(async {
            let inside = inner.clone().scope(async { Metadata::current() }).await;
            (inside, Metadata::current())
        });
        assert_eq!(seen.await, (Some(inner), Some(outer)));
    }
}
