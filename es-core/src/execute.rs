//! The write side in one page: load, decide, append, and again after a conflict.

mod attempt;
mod decide;
mod decided;
mod followed;
mod keyed;

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::time::Instant;

use crate::aggregate::{Aggregate, stream_of};
use crate::command::{Command, Context};
use crate::error::{Error, ExecuteError};
use crate::fresh_id::{Moment, fresh_id_at};
use crate::idempotency::{InvalidIdempotencyKey, Keyed};
use crate::metadata::{CausationId, CorrelationId, Metadata, TraceContext};
use crate::recorded::Recorded;
use crate::retry::Retry;
use crate::store::{BoxFuture, EventStore};
use crate::stream::{ExpectedVersion, StreamId, Version};
use crate::timestamp::Timestamp;

pub use decide::{Decide, Pure, With};

/// A command on its way. Await it; everything else is optional.
///
/// # Example: options ride on the same call
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "account")]
/// # enum AccountEvent { Deposited { amount: u64 } }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
/// # struct Account { balance: u64 }
/// # impl Account {
/// #     fn apply(&mut self, event: AccountEvent) { let AccountEvent::Deposited { amount } = event; self.balance += amount; }
/// #     fn decide(&self, command: Deposit, _: &Context) -> Result<AccountEvent, std::convert::Infallible> {
/// #         Ok(AccountEvent::Deposited { amount: command.amount })
/// #     }
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Account, handle = Account::decide, error = std::convert::Infallible)]
/// # struct Deposit { id: String, amount: u64 }
/// use es_core::{CorrelationId, EventStoreExt, ExpectedVersion};
/// use es_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let request = CorrelationId::new();
/// let outcome = store
///     .execute(Deposit { id: "ada".into(), amount: 5 })
///     .expect(ExpectedVersion::NoStream)
///     .correlation(request)
///     .actor("ada")
///     .await?;
/// assert_eq!(outcome.version.0, 1);
/// assert_eq!(outcome.state.balance, 5);
/// assert_eq!(outcome.events[0].metadata.correlation_id, Some(request));
/// # Ok(())
/// # }
/// ```
#[must_use = "a command does nothing until it is awaited"]
#[derive(Debug)]
pub struct Execute<'a, S, C, D = Pure> {
    store: &'a S,
    command: C,
    decider: D,
    /// What a decision sees. Its metadata is what the caller has said.
    context: Context,
    expected: ExpectedVersion,
    retry: Retry,
    now: Option<Timestamp>,
    key: Option<Box<Result<Keyed, InvalidIdempotencyKey>>>,
}

/// What became of a command.
///
/// # Example: nothing to do is a success too
///
/// ```
/// # use es_core::{Aggregate, Command, Context, Event};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "door")]
/// # enum DoorEvent { Closed }
/// # #[derive(Aggregate, Default)]
/// # #[aggregate(id = u32, event = DoorEvent, apply = Door::apply)]
/// # struct Door { open: bool }
/// # impl Door {
/// #     fn apply(&mut self, _: DoorEvent) { self.open = false }
/// #     fn close(&self, _: Close, _: &Context) -> Result<Option<DoorEvent>, std::convert::Infallible> {
/// #         Ok(self.open.then_some(DoorEvent::Closed))
/// #     }
/// # }
/// # #[derive(Clone, Command)]
/// # #[command(aggregate = Door, handle = Door::close, error = std::convert::Infallible)]
/// # struct Close { id: u32 }
/// use es_core::{EventStoreExt, Version};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let outcome = es_memory::MemoryStore::new().execute(Close { id: 7 }).await?;
/// assert!(outcome.events.is_empty());
/// assert_eq!(outcome.version, Version::NONE);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Outcome<A: Aggregate> {
    /// The aggregate's stream.
    pub stream: StreamId,
    /// The aggregate's version now.
    pub version: Version,
    /// What happened, in order, as it was stored. Empty when the command changed nothing.
    pub events: Vec<Recorded<A::Event>>,
    /// The aggregate's state now, exactly as a load would find it.
    pub state: A,
    /// How many tries it took: 1 unless there were conflicts or passing failures.
    pub attempts: u32,
    /// Whether this is the outcome of an earlier command under the same [key](Execute::idempotency_key), and nothing was
    /// decided or stored. The version and the state are those that it led to; the aggregate may have moved on since.
    pub repeated: bool,
}

/// Without the state and the events, so that neither has to be `Debug` for a test to `unwrap_err`.
impl<A: Aggregate> std::fmt::Debug for Outcome<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outcome")
            .field("stream", &self.stream)
            .field("version", &self.version)
            .field("events", &self.events.len())
            .field("attempts", &self.attempts)
            .field("repeated", &self.repeated)
            .finish_non_exhaustive()
    }
}

impl<'a, S, C, D> Execute<'a, S, C, D> {
    pub(crate) fn new(store: &'a S, command: C, decider: D) -> Self {
        Self {
            store,
            command,
            decider,
            context: Context::begun(),
            expected: ExpectedVersion::Any,
            retry: Retry::default(),
            now: None,
            key: None,
        }
    }

    /// Refuses the command unless the stream is as expected, before it is decided and again when its events are appended.
    /// Such a conflict is not retried: the caller has decided by what it saw. The default is
    /// [`Any`](ExpectedVersion::Any). A conflict names what was stated here, and so tells whether that did not hold, or the stream
    /// was [contended](crate::Conflict::is_contention).
    pub fn expect(self, expected: impl Into<ExpectedVersion>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    /// Makes the events part of a conversation. By default the command begins one.
    pub fn correlation(self, id: impl Into<CorrelationId>) -> Self {
        self.map_metadata(|metadata| metadata.with_correlation(id))
    }

    /// Names the message that caused the command. By default the command itself counts as the cause of its events.
    pub fn causation(self, id: impl Into<CausationId>) -> Self {
        self.map_metadata(|metadata| metadata.with_causation(id))
    }

    /// Says that an event caused the command: the conversation goes on, the event is the cause, and the trace goes along.
    pub fn caused_by<E>(self, event: &Recorded<E>) -> Self {
        self.map_metadata(|metadata| Metadata {
            correlation_id: event.metadata.correlation_id.or(Some(CorrelationId(event.id.0))),
            causation_id: Some(event.id.into()),
            trace: metadata.trace.or_else(|| event.metadata.trace.clone()),
            ..metadata
        })
    }

    /// Says who is behind the command.
    pub fn actor(self, actor: impl Into<String>) -> Self {
        self.map_metadata(|metadata| metadata.with_actor(actor))
    }

    /// Says which system or channel the command came in by.
    pub fn source(self, source: impl Into<String>) -> Self {
        self.map_metadata(|metadata| metadata.with_source(source))
    }

    /// Puts the events into a distributed trace.
    pub fn trace(self, trace: TraceContext) -> Self {
        self.map_metadata(|metadata| metadata.with_trace(trace))
    }

    /// Adds a header to the events.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.map_metadata(|metadata| metadata.with_header(name, value))
    }

    /// Sets all metadata at once, in place of what was set before.
    pub fn metadata(self, metadata: Metadata) -> Self {
        self.map_metadata(|_| metadata)
    }

    /// How often to try. The default is [`Retry::default`].
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// The time that the decision sees. The default is the system clock's.
    pub fn at(self, now: Timestamp) -> Self {
        Self { now: Some(now), ..self }
    }

    pub(crate) fn store(&self) -> &'a S {
        self.store
    }

    fn map_metadata(mut self, change: impl FnOnce(Metadata) -> Metadata) -> Self {
        let metadata = self.context.metadata_mut();
        *metadata = change(std::mem::take(metadata));
        self
    }
}

impl<S: EventStore, C: Command, D: Decide<C>> Execute<'_, S, C, D> {
    /// Not an `async fn`, which would keep a second copy of the whole command.
    #[allow(clippy::manual_async_fn, reason = "see above")]
    fn run(mut self) -> impl Future<Output = Result<Outcome<C::Aggregate>, ExecuteError<D::Error>>> + Send {
        async move {
            let stream = stream_of::<C::Aggregate>(self.command.aggregate_id())?;
            if self.retry.is_none() {
                return Err(Error::setup("a command that is tried 0 times is never done: 1 is one try").into());
            }
            let key = self.key.take();
            let keyed =
                key.as_deref().map(Result::as_ref).transpose().map_err(|invalid| Error::from(invalid.clone()))?;
            // What is not said is taken from the metadata at hand.
            self.context.metadata_mut().complete();
            let (mut attempts, mut start) = (0, None);
            loop {
                attempts += 1;
                let done = timed(pin!(self.attempt(&stream, keyed)), &mut start).await;
                let error = match done {
                    Ok(outcome) => return Ok(Outcome { attempts, ..outcome }),
                    Err(error) => error,
                };
                let elapsed = start.get_or_insert_with(Instant::now).elapsed();
                if !(self.is_worth_retrying(&error, keyed) && self.retry.allows(attempts, elapsed)) {
                    return Err(error);
                }
                // Boxed, like all that few commands need: what all of them carry is allocated and moved for each.
                Box::pin(self.retry.wait(attempts)).await;
            }
        }
    }

    /// A command that nobody claims begins a conversation, and is itself the cause of its events.
    fn begin_conversation(metadata: &mut Metadata, now: Moment) {
        let Metadata { correlation_id, causation_id, .. } = metadata;
        if correlation_id.is_none() || causation_id.is_none() {
            let command = fresh_id_at(now);
            correlation_id.get_or_insert(CorrelationId(command));
            causation_id.get_or_insert(CausationId(command));
        }
    }

    fn is_worth_retrying<R>(&self, error: &ExecuteError<R>, keyed: Option<&Keyed>) -> bool {
        match error {
            // Whatever became of it, it is done once.
            ExecuteError::Store(Error::UnknownOutcome { .. }) => keyed.is_some() && self.store.survives_failures(),
            ExecuteError::Conflict(conflict) => conflict.is_contention(),
            error => error.is_transient() && self.store.survives_failures(),
        }
    }
}

impl<'a, S: EventStore, C: Command, D: Decide<C> + 'a> IntoFuture for Execute<'a, S, C, D> {
    type Output = Result<Outcome<C::Aggregate>, ExecuteError<D::Error>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self.span() {
            Some(span) => Box::pin(self.run_in(span)),
            None => Box::pin(self.run()),
        }
    }
}

/// Looks at the clock when a future has to wait for the first time: a command that need not wait does without. What it does before is
/// not counted as time that it takes.
fn timed<T>(
    mut future: Pin<&mut (impl Future<Output = T> + Send)>,
    start: &mut Option<Instant>,
) -> impl Future<Output = T> + Send {
    poll_fn(move |context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            start.get_or_insert_with(Instant::now);
        }
        polled
    })
}
