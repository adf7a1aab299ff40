//! What a store must do so that read models can be kept in it: checkpoints under a fenced lease, documents, dead letters.

mod control;
mod dead_letter;
mod failure_class;
mod id;
mod lease;
mod missing;
mod query;
mod refusal;
mod registration;
mod status;
mod taken_in;

use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use crate::error::{BoxError, Error};
use crate::recorded::{Append, Appended, Position};
use crate::slices::Slices;
use crate::store::{EventFilter, EventStore};
use crate::stream::{StreamId, Version};
use crate::timestamp::Timestamp;

pub use control::{Control, ControlAnswer};
pub use dead_letter::{DeadLetter, DeadLetterStatus};
pub use failure_class::FailureClass;
pub use id::{InvalidProjection, MAX_PROJECTION_NAME_BYTES, ProjectionId};
pub use lease::{AdvanceError, Checkpoint, Claim, Fenced, Lease, Pulse, Renewal, Task};
pub use missing::{Missing, Written};
pub use query::DocumentQuery;
pub use refusal::Refusal;
pub use registration::{ReadModelKind, Registration};
pub use status::{PartStatus, ProjectionState, ProjectionStatus, Reached};
pub use taken_in::TakenIn;

/// Keeps read models beside the events: the implementor's contract. To run projections, see [`Runner`](crate::Runner).
///
/// # Contract
///
/// **Parts.** A projection has one or more parts. Each is for a range of [`Slices`], all parts together are for all slices,
/// and each has a checkpoint and a lease of its own.
///
/// **Checkpoints.** A checkpoint moves forwards only, by [`advance`](ReadModelTransaction::advance), in the transaction that
/// also holds the effect, or to where [`reset`](ReadModelTransaction::reset) says. Both are refused with [`Fenced`] to whoever
/// does not hold the newest lease.
///
/// **Leases.** At most one lease of a part is newest at any time, over all processes. A lease can be claimed when nobody
/// holds one, when the holder let it run out by the *store's* clock, or when the claimant is the holder. Each claim has a
/// higher token, and no token comes twice, whatever was divided or dropped in between. A lease that ran out stays the newest until somebody else claims. A paused projection cannot be claimed, and
/// while a [`Task`] is to be done, only its first part can be.
/// Every word that is left by [`control`](Self::control) takes all leases away, so that whoever works notices and claims
/// again. Only [`Control::Serve`] leaves them alone.
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
    /// [history](Lease::live_from) to it, unless it [has none](Registration::has_history). The first version of a name serves. A known one stays as it is, but for fields to be
    /// indexed, which are added.
    ///
    /// Answers whether it was not known yet.
    ///
    /// # Errors
    /// [`Error::Setup`] for a projection that is known as one of another kind; and the store's own failures.
    fn register(&self, registration: &Registration) -> impl Future<Output = Result<bool, Error>> + Send;

    /// What a projection has taken in; `None` for one that was never registered or never [taken up](Self::take_up).
    ///
    /// # Errors
    /// The store's own failures.
    fn taken_in(&self, id: &ProjectionId) -> impl Future<Output = Result<Option<TakenIn>, Error>> + Send;

    /// Keeps what is wanted of a registered projection from now on, in the place of what was, and forgets the reason of an earlier
    /// stop: whoever takes it up is about to run it, and who waits for it then is not told of what was before. Nothing happens when
    /// it is not registered.
    ///
    /// # Errors
    /// The store's own failures.
    fn take_up(&self, id: &ProjectionId, wanted: &EventFilter) -> impl Future<Output = Result<(), Error>> + Send;

    /// The parts of a projection, in the order of their slices; none for one that was never registered.
    ///
    /// # Errors
    /// The store's own failures.
    fn parts(&self, id: &ProjectionId) -> impl Future<Output = Result<Vec<Slices>, Error>> + Send;

    /// Asks for the lease of the part of a projection that begins with the slice `first`, for `lease` from now on by the
    /// store's clock. When it is granted, the reason of an earlier stop is forgotten. When somebody else holds it, that one
    /// learns that it is [wanted](Renewal::Wanted).
    ///
    /// # Errors
    /// [`Error::Store`] for a projection that was never registered, and the store's own failures.
    fn claim(
        &self,
        id: &ProjectionId,
        first: u16,
        owner: Uuid,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, Error>> + Send;

    /// Makes the lease last for `lease` from now on, and keeps what the holder has to tell.
    ///
    /// # Errors
    /// The store's own failures.
    fn renew(
        &self,
        held: &Lease,
        lease: Duration,
        pulse: &Pulse,
    ) -> impl Future<Output = Result<Renewal, Error>> + Send;

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

    /// Writes down that the holder of the lease stopped, why, and of which class that is, for everybody to see. Nothing happens
    /// when the lease is not the newest.
    ///
    /// # Errors
    /// The store's own failures.
    fn report_stop(
        &self,
        held: &Lease,
        reason: &str,
        class: FailureClass,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Leaves word for a projection, or for one of its parked streams, and answers what becomes of it.
    /// [`ControlAnswer::Nothing`] when there is no such projection, or no stream of it is parked at that event, or none at all.
    /// [`ControlAnswer::AcceptedWhileStopped`] where its state says that it has stopped, or would say so if it were not paused;
    /// not for [`Control::Serve`], which is done by the store.
    ///
    /// # Errors
    /// [`Error::Setup`] for what cannot be: more parts than there are slices or none, a version that is to serve and has not
    /// caught up, to run what is written [inline](Registration::inline), to divide what is to be rebuilt or rewound first, to
    /// rebuild or rewind what is to be divided first, and what [its kind cannot do](Control::check): to rebuild or rewind a
    /// reactor, and to rewind documents. Most of it in the words of a [`Refusal`]. And the store's own failures.
    fn control(&self, id: &ProjectionId, control: Control)
    -> impl Future<Output = Result<ControlAnswer, Error>> + Send;

    /// Divides the projection anew if that was asked for and all its parts have come to one place, and takes all leases
    /// away. Answers whether it did.
    ///
    /// # Errors
    /// The store's own failures.
    fn divide(&self, id: &ProjectionId) -> impl Future<Output = Result<bool, Error>> + Send;

    /// How every projection that was ever registered is doing, in the order of their ids.
    ///
    /// # Errors
    /// The store's own failures.
    fn projections(&self) -> impl Future<Output = Result<Vec<ProjectionStatus>, Error>> + Send;

    /// How far each of these projections has come in all its parts, whether it is going on, and what it has passed of `written`
    /// without taking it in, all as of one moment; `None` for one that was never registered. It is asked every few milliseconds by
    /// everybody who waits, so it is one question, however many they are.
    ///
    /// # Errors
    /// The store's own failures.
    fn reached(
        &self,
        ids: &[ProjectionId],
        written: Option<&Written>,
    ) -> impl Future<Output = Result<Vec<Option<Reached>>, Error>> + Send;

    /// The version of a name that serves: readers of the name read that one.
    ///
    /// # Errors
    /// The store's own failures.
    fn serving(&self, name: &str) -> impl Future<Output = Result<Option<ProjectionId>, Error>> + Send;

    /// Forgets a projection with its checkpoints, its dead letters and its documents. What a projector wrote to tables of its
    /// own stays. `false` when there is no such projection.
    ///
    /// # Errors
    /// [`Error::Setup`] while somebody works on it, and while it serves and there is another version that could; and the
    /// store's own failures.
    fn drop_projection(&self, id: &ProjectionId) -> impl Future<Output = Result<bool, Error>> + Send;

    /// At most `limit` of the projection's dead letters, oldest position first, from behind the place `after` on. The next page is
    /// behind the position of the last one.
    ///
    /// # Errors
    /// The store's own failures.
    ///
    /// # Example: ten thousand letters, a hundred at a time
    ///
    /// ```
    /// use es_core::{Error, Position, ProjectionId, ReadModelStore};
    ///
    /// async fn show(store: &impl ReadModelStore, id: &ProjectionId) -> Result<(), Error> {
    ///     let mut after = Position::START;
    ///     loop {
    ///         let page = store.list_dead_letters(id, after, 100).await?;
    ///         let Some(last) = page.last() else { return Ok(()) };
    ///         after = last.position;
    ///         page.iter().for_each(|letter| println!("{}: {}", letter.stream, letter.error));
    ///     }
    /// }
    /// ```
    fn list_dead_letters(
        &self,
        id: &ProjectionId,
        after: Position,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetter>, Error>> + Send;

    /// All of the projection's dead letters, oldest position first. Where there may be many, ask for
    /// [pages](Self::list_dead_letters).
    ///
    /// # Errors
    /// The store's own failures.
    fn dead_letters(&self, id: &ProjectionId) -> impl Future<Output = Result<Vec<DeadLetter>, Error>> + Send {
        self.list_dead_letters(id, Position::START, u32::MAX)
    }

    /// The committed documents of these keys, in their order, as JSON text. A key may occur twice.
    ///
    /// # Errors
    /// The store's own failures.
    fn get_documents(
        &self,
        id: &ProjectionId,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<Option<String>>, Error>> + Send;

    /// The committed documents that the query asks for, as (key, JSON text), in the order of the keys' bytes.
    ///
    /// # Errors
    /// The store's own failures.
    fn list_documents(
        &self,
        id: &ProjectionId,
        query: &DocumentQuery,
    ) -> impl Future<Output = Result<Vec<(String, String)>, Error>> + Send;

    /// The last place of the log, everything up to which was recorded before `time`. A reader that goes on from there meets
    /// every event that was recorded at that time or later, and perhaps a few that were recorded shortly before.
    ///
    /// # Errors
    /// The store's own failures.
    fn position_at(&self, time: Timestamp) -> impl Future<Output = Result<Position, Error>> + Send;

    /// Resolves some time after the next append by this handle or its clones, counted from the *call* and not from the first
    /// poll: a reader that calls, then reads, then waits, is woken by what came in between. It is a hint, which may come early,
    /// late or not at all; polling stays the truth.
    fn appended(&self) -> impl Future<Output = ()> + Send;

    /// Resolves some time after a checkpoint was moved next by this handle or its clones. A hint, like
    /// [`appended`](Self::appended).
    fn advanced(&self) -> impl Future<Output = ()> + Send;

    /// Whether the store can be read through this handle while a transaction of it is open. Not where one connection does
    /// everything.
    fn reads_beside_transactions(&self) -> bool {
        true
    }

    /// Whether an error of a projector's will pass, such as a deadlock: then the batch is simply tried again.
    fn is_transient(&self, error: &BoxError) -> bool {
        error.downcast_ref::<Error>().is_some_and(Error::is_transient)
    }

    /// Whether an error of a projector's says that a statement or its transaction took longer than the store lets it.
    fn is_too_slow(&self, error: &BoxError) -> bool {
        let _ = error;
        false
    }

    /// Whether an error of a transaction comes from what a projector has done to it, such as to end it: then it is the projection
    /// that has failed, and not the store.
    fn is_spoiled(&self, error: &Error) -> bool {
        let _ = error;
        false
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

    /// Has everybody else who locks these documents, those that are not there included, wait until the transaction ends. No
    /// key occurs twice. Where several write the same documents, each locks, then loads, then saves.
    ///
    /// # Errors
    /// The store's own failures.
    fn lock_documents(&mut self, id: &ProjectionId, keys: &[String]) -> impl Future<Output = Result<(), Error>> + Send;

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

    /// Moves the checkpoints of all parts to `to`, wherever they are. Everything up to `live_from` counts as replay. The task
    /// is taken as done, and dead letters behind `to` are forgotten, because their events come again. Back at the
    /// start, so is the count of events. The leases stay.
    ///
    /// # Errors
    /// As for [`advance`](Self::advance).
    fn reset(
        &mut self,
        held: &Lease,
        to: Position,
        live_from: Position,
    ) -> impl Future<Output = Result<(), AdvanceError>> + Send;

    /// Takes the task of the lease as done without moving any checkpoint: it was refused. A rewind that was asked for beside a
    /// rebuild is the task then.
    ///
    /// # Errors
    /// As for [`advance`](Self::advance).
    fn dismiss(&mut self, held: &Lease) -> impl Future<Output = Result<(), AdvanceError>> + Send;

    /// Takes away all leases of the projection. Until the transaction ends nobody is granted one, and no checkpoint moves.
    /// Answers where the checkpoints are.
    ///
    /// # Errors
    /// [`Error::Store`] for a projection that was never registered, and the store's own failures.
    fn seize(&mut self, id: &ProjectionId) -> impl Future<Output = Result<Vec<Checkpoint>, Error>> + Send;

    /// Appends, as [`EventStore::append`] does, inside the transaction.
    ///
    /// # Errors
    /// As there, and [`Error::Unavailable`], at the latest from the commit, when somebody else uses the same key at the same
    /// time. After a conflict nothing of the transaction may be committed.
    fn append(&mut self, append: Append) -> impl Future<Output = Result<Appended, Error>> + Send;

    /// Sees to it that what is in the log now is all there is when this transaction is committed: either other appends wait
    /// until it ends, or the commit fails with an error that [will pass](Error::is_transient).
    ///
    /// # Errors
    /// The store's own failures.
    fn hold_appends(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

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
    /// The store's own failures. After a lost connection it may have happened: the checkpoint tells. Where something was
    /// [appended](Self::append), the store finds out itself, as it does for an append.
    fn commit(self) -> impl Future<Output = Result<(), Error>> + Send;
}
