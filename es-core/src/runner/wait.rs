//! Waiting for read models: until they have taken in what one has written oneself.

use std::time::Duration;

use tokio::time::Instant;

use crate::aggregate::Aggregate;
use crate::error::Error;
use crate::event::{Event, EventType};
use crate::execute::Outcome;
use crate::read_model::{
    DeadLetterStatus, InvalidProjection, Missing, ProjectionId, ProjectionState, Reached, ReadModelStore, Written,
};
use crate::recorded::Position;
use crate::runner::StopReason;
use crate::store::EventFilter;
use crate::stream::{StreamId, Version};

/// How long a wait lasts at the most, by default.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// How soon to look again where nothing tells: the projection may run in another process.
pub(super) const POLL: Duration = Duration::from_millis(5);
/// The pauses grow up to this.
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// Why a wait for projections came to nothing. What was stored stays stored.
///
/// # Example: how far it has come
///
/// ```
/// use es_core::{Position, ProjectionId, WaitError};
///
/// let id = ProjectionId::new("balance", 1)?;
/// let late = WaitError::TimedOut { id, reached: Position(7), wanted: Position(9) };
/// assert_eq!(late.to_string(), "projection `balance v1` has come to position 7 of 9 when the time was up");
/// # Ok::<(), es_core::InvalidProjection>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// A projection has stopped before it got there. Whoever asks is told at once, in whichever process it was. Start a runner
    /// with it again.
    #[error("projection `{id}` has stopped: {reason}")]
    Stopped {
        /// Which one.
        id: ProjectionId,
        /// Why: [`StopReason::Reported`] where only the store tells of it.
        reason: StopReason,
    },
    /// A projection is paused, and has not come there. It will when somebody [resumes](crate::Control::Resume) it; how long that
    /// takes, nobody knows, so it is not waited for.
    #[error("projection `{id}` is paused: resume it first")]
    Paused {
        /// Which one.
        id: ProjectionId,
    },
    /// Time was up.
    #[error("projection `{id}` has come to position {reached} of {wanted} when the time was up")]
    TimedOut {
        /// Which one.
        id: ProjectionId,
        /// How far it has come.
        reached: Position,
        /// How far it should have come.
        wanted: Position,
    },
    /// A projection has come there, but the stream of the command is [parked](crate::OnFailure::park) in it, and the command waits
    /// with it: it does not show, and will not until somebody [settles](crate::Control::RetryDeadLetter) the dead letter. Only
    /// waits for the outcome of a command know of its stream. Where a retry was asked for, it is waited for first. A command all of
    /// whose events the projection's filter leaves out waits behind nothing, and is not told of it.
    #[error("projection `{id}` has parked stream `{stream}` behind its event {failed}: retry or discard that first")]
    Parked {
        /// Which one.
        id: ProjectionId,
        /// The command's stream.
        stream: StreamId,
        /// The version of the event that could not be taken in: one of the command's, or an earlier one.
        failed: Version,
    },
    /// A projection has come there, and has left out an event of the command: by its [policy](crate::OnFailure::skip), or because
    /// somebody [decided](crate::Control::DiscardDeadLetter) so. It does not show, unless the projection is rebuilt. Only waits
    /// for the outcome of a command know of its events.
    #[error("projection `{id}` has left out event {version} of stream `{stream}`")]
    LeftOut {
        /// Which one.
        id: ProjectionId,
        /// The command's stream.
        stream: StreamId,
        /// The version of the event: of several that were left out, the first.
        version: Version,
    },
    /// Time was up, and parked streams were still to be tried again, or to go on without an event. Only
    /// [`Running::catch_up`](crate::Running::catch_up) waits for that.
    #[error("projection `{id}` still had to settle {requested} dead letters when the time was up")]
    Unsettled {
        /// Which one.
        id: ProjectionId,
        /// How many streams that are.
        requested: u64,
    },
    /// There is no such projection: nobody has started it in this store, ever.
    #[error("projection `{id}` is not known: start a runner with it")]
    Unknown {
        /// Which one.
        id: ProjectionId,
    },
    /// A name that no projection can have.
    #[error(transparent)]
    Name(#[from] InvalidProjection),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Whether what the store tells of a stop is the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// Nobody here runs the projections, so one that has stopped will not get there.
    AreFinal,
    /// They are run here: one that has stopped elsewhere is about to be taken over, and of a stop here everybody learns at once.
    AreTakenOver,
}

/// What is waited for.
pub(crate) struct Wanted {
    /// What has its place up to here is taken in.
    pub(crate) place: Position,
    /// None of these was left out, or waits behind one that could not be taken in.
    of_command: Option<OfCommand>,
}

/// The events of a command.
pub(crate) struct OfCommand {
    written: Written,
    types: Vec<&'static EventType>,
}

impl OfCommand {
    /// None when it changed nothing.
    pub(crate) fn of<A: Aggregate>(outcome: &Outcome<A>) -> Option<Self> {
        let (first, last) = (outcome.events.first()?.version, outcome.events.last()?.version);
        let written = Written { stream: outcome.stream.clone(), first, last };
        Some(Self { written, types: outcome.events.iter().map(|event| event.event.event_type()).collect() })
    }

    /// Whether a projection that wants to see this much takes in one of them.
    fn concern(&self, filter: &EventFilter) -> bool {
        let (categories, types) = (filter.wanted_categories(), filter.wanted_types());
        let is_wanted = |event: &&EventType| types.is_empty() || types.iter().any(|name| event.is_called(name));
        (categories.is_empty() || categories.iter().any(|name| name == self.written.stream.category()))
            && self.types.iter().any(is_wanted)
    }
}

impl Wanted {
    /// Everything that is stored by now, and these events in particular.
    pub(crate) async fn by_now<S: ReadModelStore>(store: &S, of_command: Option<OfCommand>) -> Result<Self, Error> {
        Ok(Self { place: store.log_end().await?, of_command })
    }

    fn written(&self) -> Option<&Written> {
        self.of_command.as_ref().map(|of_command| &of_command.written)
    }

    /// What a projection that has come there has not taken in all the same.
    fn missing<'a>(&'a self, reached: &'a Reached) -> Option<(&'a StreamId, &'a Missing)> {
        Some((&self.written()?.stream, reached.missing.as_ref()?))
    }

    /// Whether a projection lacks something of the command. Behind an event that it cannot take in waits what it wants to see of the
    /// stream; where it wants none of the command's events, it is as current with them as it will ever be.
    async fn lacks<S: ReadModelStore>(&self, store: &S, id: &ProjectionId, missing: &Missing) -> Result<bool, Error> {
        match &self.of_command {
            Some(of_command) if missing.failed < of_command.written.first => {
                let taken_in = store.taken_in(id).await?;
                Ok(taken_in.is_none_or(|taken_in| of_command.concern(&taken_in.filter)))
            }
            _ => Ok(true),
        }
    }

    /// What to say of a projection that did not get there in time.
    fn late(&self, id: ProjectionId, reached: &Reached) -> WaitError {
        match self.missing(reached) {
            Some((stream, missing)) if reached.position >= self.place => not_taken_in(id, stream, missing),
            _ => WaitError::TimedOut { id, reached: reached.position, wanted: self.place },
        }
    }
}

/// Waits until all these projections have taken in what is wanted, in whichever process they run, or one will not.
pub(crate) async fn until<S: ReadModelStore>(
    store: &S,
    ids: &[ProjectionId],
    wanted: &Wanted,
    deadline: Duration,
    stops: Stops,
) -> Result<(), WaitError> {
    // A deadline that lies beyond what the clock can tell is none.
    let end = Instant::now().checked_add(deadline);
    let mut poll = POLL;
    loop {
        // Called before the question, so that what moves in between is remembered.
        let advanced = store.advanced();
        let lacking = lacking(store, ids, wanted).await?;
        if let Some(hopeless) = lacking.iter().find_map(|(id, reached)| hopeless(id, reached, stops)) {
            return Err(hopeless);
        }
        let Some((id, reached)) = lacking.into_iter().next() else { return Ok(()) };
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(wanted.late(id, &reached));
        }
        tokio::select! {
            () = advanced => poll = POLL,
            () = tokio::time::sleep(left.map_or(poll, |left| left.min(poll))) => poll = (poll * 2).min(LONGEST_POLL),
        }
    }
}

/// Those that have not taken in what is wanted, and may do so yet.
pub(crate) async fn lacking<S: ReadModelStore>(
    store: &S,
    ids: &[ProjectionId],
    wanted: &Wanted,
) -> Result<Vec<(ProjectionId, Reached)>, WaitError> {
    let mut lacking = Vec::new();
    for (id, reached) in ids.iter().zip(store.reached(ids, wanted.written()).await?) {
        let reached = reached.ok_or_else(|| WaitError::Unknown { id: id.clone() })?;
        // What a letter says before a projection has got there may be another thing when it has.
        if reached.position >= wanted.place {
            match wanted.missing(&reached) {
                None => continue,
                Some((_, missing)) if !wanted.lacks(store, id, missing).await? => continue,
                Some((_, missing)) if is_asked_for(&missing.status) => (),
                Some((stream, missing)) => return Err(not_taken_in(id.clone(), stream, missing)),
            }
        }
        lacking.push((id.clone(), reached));
    }
    Ok(lacking)
}

/// Whether whoever runs the projection is about to have the stream go on.
fn is_asked_for(status: &DeadLetterStatus) -> bool {
    matches!(status, DeadLetterStatus::RetryRequested | DeadLetterStatus::DiscardRequested { .. })
}

fn not_taken_in(id: ProjectionId, stream: &StreamId, missing: &Missing) -> WaitError {
    let (stream, failed) = (stream.clone(), missing.failed);
    if missing.status.is_parked() {
        WaitError::Parked { id, stream, failed }
    } else {
        WaitError::LeftOut { id, stream, version: failed }
    }
}

/// Why one that lacks something will not get it by itself.
fn hopeless(id: &ProjectionId, reached: &Reached, stops: Stops) -> Option<WaitError> {
    let id = id.clone();
    match &reached.state {
        ProjectionState::Paused => Some(WaitError::Paused { id }),
        ProjectionState::Stopped { reason, class } if stops == Stops::AreFinal => {
            let reason = StopReason::Reported { reason: reason.clone(), class: *class };
            Some(WaitError::Stopped { id, reason })
        }
        ProjectionState::Running | ProjectionState::Stopped { .. } | ProjectionState::Inline => None,
    }
}
