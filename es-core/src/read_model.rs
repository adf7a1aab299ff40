//! What a store must do so that read models can be kept in it: checkpoints under a fenced lease, documents, dead letters.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use crate::error::{BoxError, Error};
use crate::metadata::EventId;
use crate::recorded::Position;
use crate::store::EventStore;
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

/// The longest name of a projection, in bytes: it becomes part of a table's name.
pub const MAX_PROJECTION_NAME_BYTES: usize = 40;

/// One version of one read model.
///
/// # Example: names become part of table names, so they are plain
///
/// ```
/// use es_core::ProjectionId;
///
/// assert_eq!(ProjectionId::new("balances", 2)?.to_string(), "balances v2");
/// assert!(ProjectionId::new("Balances!", 1).is_err());
/// # Ok::<(), es_core::InvalidProjection>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectionId {
    name: String,
    version: u32,
}

/// A name that no read model can have.
///
/// # Example: what it says
///
/// ```
/// let refused = es_core::ProjectionId::new("", 1).unwrap_err();
/// assert!(refused.to_string().contains("lower-case letters"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot be the name of a projection: 1 to {MAX_PROJECTION_NAME_BYTES} lower-case letters, digits and `_`, \
     with a letter first"
)]
pub struct InvalidProjection {
    name: String,
}

impl ProjectionId {
    /// Names one version of one read model.
    ///
    /// # Errors
    /// [`InvalidProjection`] for a name that is not made of lower-case letters, digits and `_` alone.
    pub fn new(name: impl Into<String>, version: u32) -> Result<Self, InvalidProjection> {
        let name = name.into();
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let fits = (1..=MAX_PROJECTION_NAME_BYTES).contains(&name.len()) && name.bytes().all(plain);
        if fits && name.starts_with(|c: char| c.is_ascii_lowercase()) {
            Ok(Self { name, version })
        } else {
            Err(InvalidProjection { name })
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl fmt::Display for ProjectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}

impl fmt::Debug for ProjectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProjectionId({self})")
    }
}

/// Keeps read models beside the events: the implementor's contract. To run projections, see [`Runner`](crate::Runner).
///
/// # Contract
///
/// **Checkpoints.** A projection has one checkpoint. It moves forwards only, by
/// [`advance`](ReadModelTransaction::advance), in the transaction that also holds the effect, or to where
/// [`reset`](ReadModelTransaction::reset) says. Both are refused with [`Fenced`] to whoever does not hold the newest lease.
///
/// **Leases.** At most one lease of a projection is newest at any time, over all processes. A lease can be claimed when nobody
/// holds one, when the holder let it run out by the *store's* clock, or when the claimant is the holder. Each claim has a
/// higher token. A lease that ran out stays the newest until somebody else claims. A paused projection cannot be claimed.
/// Every word that is left by [`control`](Self::control) takes the lease away, so that whoever works notices and claims again.
///
/// **Transactions.** What is written in one is seen by nobody before its commit, and by everybody after it. Dropping one
/// without commit undoes all of it. Once the checkpoint was moved in one, it is not committed under a lease that was taken away
/// in the meantime.
pub trait ReadModelStore: EventStore + Clone + 'static {
    /// What projectors write to.
    type Target: Send;
    /// A transaction over read models and checkpoints.
    type Transaction: ReadModelTransaction<Target = Self::Target>;

    /// Makes room for a projection, at the start of the log, if it is not known yet. What is in the log by now is
    /// [history](Lease::live_from) to it. A known one stays as it is.
    ///
    /// # Errors
    /// The store's own failures.
    fn register(&self, id: &ProjectionId, kind: ReadModelKind) -> impl Future<Output = Result<(), Error>> + Send;

    /// Asks for the lease of a projection, for `lease` from now on by the store's clock. When it is granted, the reason of an
    /// earlier stop is forgotten.
    ///
    /// # Errors
    /// [`Error::Store`] for a projection that was never registered, and the store's own failures.
    fn claim(
        &self,
        id: &ProjectionId,
        owner: Uuid,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, Error>> + Send;

    /// Makes the lease last for `lease` from now on. `false` when it is not the newest any more.
    ///
    /// # Errors
    /// The store's own failures.
    fn renew(&self, held: &Lease, lease: Duration) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Lets go of the lease, so that others need not wait until it runs out. Nothing happens when it is not the newest.
    ///
    /// # Errors
    /// The store's own failures.
    fn release(&self, held: &Lease) -> impl Future<Output = Result<(), Error>> + Send;

    /// Begins a transaction.
    ///
    /// # Errors
    /// The store's own failures.
    fn begin(&self) -> impl Future<Output = Result<Self::Transaction, Error>> + Send;

    /// Writes down that the holder of the lease stopped, and why, for everybody to see. Nothing happens when the lease is not
    /// the newest.
    ///
    /// # Errors
    /// The store's own failures.
    fn report_stop(&self, held: &Lease, reason: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Leaves word for a projection, or for one of its parked streams. `false` when there is no such projection, or no stream
    /// of it is parked at that event.
    ///
    /// # Errors
    /// The store's own failures.
    fn control(&self, id: &ProjectionId, control: Control) -> impl Future<Output = Result<bool, Error>> + Send;

    /// How every projection that was ever registered is doing.
    ///
    /// # Errors
    /// The store's own failures.
    fn projections(&self) -> impl Future<Output = Result<Vec<ProjectionStatus>, Error>> + Send;

    /// The projection's dead letters, oldest position first.
    ///
    /// # Errors
    /// The store's own failures.
    fn dead_letters(&self, id: &ProjectionId) -> impl Future<Output = Result<Vec<DeadLetter>, Error>> + Send;

    /// The committed documents of these keys, in their order, as JSON text. A key may occur twice.
    ///
    /// # Errors
    /// The store's own failures.
    fn get_documents(
        &self,
        id: &ProjectionId,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<Option<String>>, Error>> + Send;

    /// At most `limit` committed documents whose keys come behind `after`, as (key, JSON text), in the order of the keys' bytes.
    ///
    /// # Errors
    /// The store's own failures.
    fn list_documents(
        &self,
        id: &ProjectionId,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<(String, String)>, Error>> + Send;

    /// Resolves some time after the next append by this handle or its clones, counted from the *call* and not from the first
    /// poll: a reader that calls, then reads, then waits, is woken by what came in between. It is a hint, which may come early,
    /// late or not at all; polling stays the truth.
    fn appended(&self) -> impl Future<Output = ()> + Send;

    /// Whether an error of a projector's will pass, such as a deadlock: then the batch is simply tried again.
    fn is_transient(&self, error: &BoxError) -> bool {
        error.downcast_ref::<Error>().is_some_and(Error::is_transient)
    }
}

/// A transaction over read models and checkpoints. Dropped without [`commit`](Self::commit) it never happened.
pub trait ReadModelTransaction: Send {
    /// What projectors write to.
    type Target: Send;

    /// What projectors write to.
    fn target(&mut self) -> &mut Self::Target;

    /// The documents of these keys, as this transaction sees them, in the order of the keys, as JSON text.
    ///
    /// # Errors
    /// The store's own failures.
    fn load_documents(
        &mut self,
        id: &ProjectionId,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<Option<String>>, Error>> + Send;

    /// Puts documents in the place of those that are there; `None` removes one, if it is there. No key occurs twice.
    ///
    /// # Errors
    /// The store's own failures.
    fn save_documents(
        &mut self,
        id: &ProjectionId,
        documents: &[(String, Option<String>)],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes all documents of the projection.
    ///
    /// # Errors
    /// The store's own failures.
    fn clear_documents(&mut self, id: &ProjectionId) -> impl Future<Output = Result<(), Error>> + Send;

    /// Moves the checkpoint forwards to `to`, counting `events` more events. It may stay where it is.
    ///
    /// # Errors
    /// [`AdvanceError::Fenced`] when the lease is not the newest, or `to` lies before the checkpoint; and the store's own
    /// failures.
    fn advance(
        &mut self,
        held: &Lease,
        to: Position,
        events: u64,
    ) -> impl Future<Output = Result<(), AdvanceError>> + Send;

    /// Moves the checkpoint to `to`, wherever it is. Everything up to `live_from` counts as replay. The word that asked for
    /// it is taken as done, and dead letters behind `to` are forgotten, because their events come again. Back at the start, so
    /// is the count of events. The lease stays.
    ///
    /// # Errors
    /// As for [`advance`](Self::advance).
    fn reset(
        &mut self,
        held: &Lease,
        to: Position,
        live_from: Position,
    ) -> impl Future<Output = Result<(), AdvanceError>> + Send;

    /// Keeps a dead letter, in the place of the one of the same stream and first version.
    ///
    /// # Errors
    /// The store's own failures.
    fn save_dead_letter(
        &mut self,
        id: &ProjectionId,
        letter: &DeadLetter,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Forgets a dead letter.
    ///
    /// # Errors
    /// The store's own failures.
    fn delete_dead_letter(
        &mut self,
        id: &ProjectionId,
        stream: &StreamId,
        first: Version,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Makes it so.
    ///
    /// # Errors
    /// The store's own failures. After a lost connection it may have happened: the checkpoint tells.
    fn commit(self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Who writes the read model: the store keeps a table for documents, projectors have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadModelKind {
    /// Written by a [`Projector`](crate::Projector).
    Projector,
    /// Made of [`Document`](crate::Document)s.
    Documents,
}

/// The right to move a projection's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The projection.
    pub id: ProjectionId,
    /// Counts the claims. A higher one makes all lower ones worthless.
    pub token: u64,
    /// Where the checkpoint was when the lease was claimed.
    pub position: Position,
    /// Up to here the log is history to the projection.
    pub live_from: Position,
    /// Whether a rebuild was asked for.
    pub rebuild: bool,
}

impl Lease {
    /// Puts the parts together. For stores.
    pub fn new(id: ProjectionId, token: u64, position: Position, live_from: Position, rebuild: bool) -> Self {
        Self { id, token, position, live_from, rebuild }
    }
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The claimant may work.
    Granted(Lease),
    /// Somebody else works.
    Held {
        /// Who.
        owner: Uuid,
    },
    /// Nobody works, because somebody asked for a pause.
    Paused,
}

/// Why a checkpoint was not moved. Nothing of the transaction may be committed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdvanceError {
    /// Somebody else holds a newer lease.
    #[error(transparent)]
    Fenced(#[from] Fenced),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Somebody else holds a newer lease, so this one is worthless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease of projection `{id}` was taken over")]
pub struct Fenced {
    /// The projection.
    pub id: ProjectionId,
}

/// Word that is left for whoever runs a projection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// Stop working, at once, until resumed, also after a restart.
    Pause,
    /// Work again. What was not paused is left alone, apart from the lease.
    Resume,
    /// Remove what was written, and begin at the first event.
    Rebuild,
    /// Try a parked stream again, from its first failed event on.
    RetryDeadLetter {
        /// The stream.
        stream: StreamId,
        /// The first failed event.
        first: Version,
    },
    /// Leave the failed event out for good, and go on with the next one of its stream.
    DiscardDeadLetter {
        /// The stream.
        stream: StreamId,
        /// The failed event.
        first: Version,
        /// Why, for those who ask later.
        reason: String,
    },
}

/// Whether a projection is meant to run, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProjectionState {
    /// It runs, or will as soon as somebody starts it.
    Running,
    /// Somebody asked for a pause.
    Paused,
    /// It stopped by itself.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// How a projection is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProjectionStatus {
    /// Which one.
    pub id: ProjectionId,
    /// Whether it is meant to run, and whether it does.
    pub state: ProjectionState,
    /// Who works on it right now.
    pub owner: Option<Uuid>,
    /// Its checkpoint.
    pub position: Position,
    /// How many events it has taken in.
    pub events: u64,
    /// How many events of the log, wanted or not, have a place behind its checkpoint.
    pub lag_events: u64,
    /// How long ago the oldest of them got its place; zero if there are none.
    pub lag: Duration,
    /// How many streams are parked.
    pub parked: u64,
    /// When its checkpoint last moved.
    pub updated_at: Timestamp,
}

impl ProjectionStatus {
    /// Puts the parts together, without lag. For stores.
    pub fn new(id: ProjectionId, state: ProjectionState, position: Position, updated_at: Timestamp) -> Self {
        Self { id, state, owner: None, position, events: 0, lag_events: 0, lag: Duration::ZERO, parked: 0, updated_at }
    }
}

/// A pointer to an event that a projection could not take in. The event itself stays where it is, so that a retry reads it
/// again, through today's upcasters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream.
    pub first: Version,
    /// Where a parked stream is parked up to: the last event that waits behind the failed one. The same as `first` when none
    /// does.
    pub last: Version,
    /// Its place in the log.
    pub position: Position,
    /// Its id.
    pub event_id: EventId,
    /// What went wrong the last time.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What becomes of it.
    pub status: DeadLetterStatus,
    /// When it failed first.
    pub first_failed_at: Timestamp,
    /// When it failed last.
    pub last_failed_at: Timestamp,
}

/// What becomes of an event that could not be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadLetterStatus {
    /// Its stream waits behind it.
    Parked,
    /// Its stream waits behind it, and will be tried again.
    RetryRequested,
    /// Somebody decided to leave it out; its stream will go on without it.
    DiscardRequested {
        /// Why.
        reason: String,
    },
    /// It was left out because the policy says so.
    Skipped,
    /// It was left out because somebody decided so.
    Discarded {
        /// Why.
        reason: String,
    },
}

impl DeadLetter {
    /// A pointer to an event that failed once, at this time, and that nothing waits behind. For stores, which set the rest.
    pub fn new(
        stream: StreamId,
        first: Version,
        position: Position,
        event_id: EventId,
        error: impl Into<String>,
        status: DeadLetterStatus,
        failed_at: Timestamp,
    ) -> Self {
        Self {
            stream,
            first,
            last: first,
            position,
            event_id,
            error: error.into(),
            attempts: 1,
            status,
            first_failed_at: failed_at,
            last_failed_at: failed_at,
        }
    }
}

impl DeadLetterStatus {
    /// Whether the rest of the stream waits behind the event.
    pub fn is_parked(&self) -> bool {
        matches!(self, Self::Parked | Self::RetryRequested | Self::DiscardRequested { .. })
    }
}
