//! How a projection is run, and what becomes of events that it cannot take in.

use std::time::Duration;

use crate::read_model::ProjectionId;
use crate::retry::Retry;
use crate::runner::StartError;
use crate::stream::SLICES;

/// How a projection is run.
///
/// # Example: park what cannot be taken in, after five tries
///
/// ```
/// use std::time::Duration;
/// use es_core::{OnFailure, Retry, Settings};
///
/// let settings = Settings::default()
///     .on_failure(OnFailure::park().after(Retry::attempts(5).base(Duration::from_millis(100))))
///     .batch(500);
/// # let _ = settings;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(super) batch: u32,
    pub(super) lease: Duration,
    pub(super) poll: Duration,
    pub(super) parts: u16,
    pub(super) serve: bool,
    pub(super) on_failure: OnFailure,
}

impl Settings {
    /// How many events are taken in at once at the most, by default. How many really are, follows how long they take: see
    /// [`batch`](Self::batch).
    pub const DEFAULT_BATCH: u32 = 20_000;
    /// How long a lease lasts by default. When a process dies, others take over after this time.
    pub const DEFAULT_LEASE: Duration = Duration::from_secs(10);
    /// The shortest lease: it is renewed three times while it lasts.
    pub const SHORTEST_LEASE: Duration = Duration::from_millis(300);
    /// The longest lease: a day. Nobody takes over sooner from an owner that has vanished without giving it back.
    pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);
    /// How long a projection that has nothing to do waits before it looks again, by default. An append by the same store wakes
    /// it at once.
    pub const DEFAULT_POLL: Duration = Duration::from_millis(20);
    /// The longest such wait: it doubles while nothing comes.
    pub const LONGEST_POLL: Duration = Duration::from_millis(250);

    /// Into how many parts a projection is divided by default.
    pub const DEFAULT_PARTS: u16 = 1;

    /// At most `events` events at once. The default is [`DEFAULT_BATCH`](Self::DEFAULT_BATCH).
    ///
    /// A projection begins with 250, takes in twice as many at once while a full batch is done within 100 ms (four times as many
    /// after 12 ms), and half as many after one that took longer than 400 ms, or a quarter of the [`lease`](Self::lease). It takes
    /// in no more than are about 16 MiB, by the size of the events of the batch before.
    #[must_use]
    pub const fn batch(self, events: u32) -> Self {
        Self { batch: events, ..self }
    }

    /// How long a lease lasts: from [`SHORTEST_LEASE`](Self::SHORTEST_LEASE) to [`LONGEST_LEASE`](Self::LONGEST_LEASE). The default
    /// is [`DEFAULT_LEASE`](Self::DEFAULT_LEASE).
    #[must_use]
    pub const fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How long to wait before looking again. The default is [`DEFAULT_POLL`](Self::DEFAULT_POLL).
    #[must_use]
    pub const fn poll(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    /// Into how many parts the projection is divided when it is started for the first time, each with an owner of its own, so
    /// that several processors, and processes, share the work. The default is [`DEFAULT_PARTS`](Self::DEFAULT_PARTS).
    ///
    /// It makes no difference to a projection that is known already: that one stays as it is divided, with a warning where more than one
    /// part was asked for, and is divided anew by [`Control::Divide`](crate::Control::Divide).
    ///
    /// The events of a stream stay in one part, in order. Events of different streams may be taken in in another order than the
    /// log's, also those that change the same document.
    #[must_use]
    pub const fn parts(self, parts: u16) -> Self {
        Self { parts, ..self }
    }

    /// Whether this version takes the place of an older one that [serves](crate::ReadModelStore::serving) as soon as it has
    /// taken in all history. By default somebody has to ask for it, by [`Control::Serve`](crate::Control::Serve).
    ///
    /// While events of its history are parked, or were skipped, it does not take the place by itself, and says so in a warning:
    /// readers would miss them. It does once they are taken in or discarded, or when somebody asks for it.
    #[must_use]
    pub const fn serve_when_caught_up(self, serve: bool) -> Self {
        Self { serve, ..self }
    }

    /// What becomes of an event that cannot be taken in. The default is [`OnFailure::default`].
    #[must_use]
    pub const fn on_failure(self, on_failure: OnFailure) -> Self {
        Self { on_failure, ..self }
    }

    pub(super) fn check(&self, id: &ProjectionId) -> Result<(), StartError> {
        let problem = match self {
            Self { batch: 0, .. } => "a batch of 0 events never gets anywhere",
            Self { lease, .. } if *lease < Self::SHORTEST_LEASE => {
                "the lease is shorter than 300 ms, and would run out between its renewals"
            }
            Self { lease, .. } if *lease > Self::LONGEST_LEASE => {
                "the lease is longer than a day, for which nobody would take over from an owner that has vanished"
            }
            Self { parts: 0, .. } => "0 parts take in nothing",
            Self { parts, .. } if *parts > SLICES => "there are no more than 1024 parts, one for each slice",
            Self { poll: Duration::ZERO, .. } => "a poll interval of 0 would keep a processor busy with nothing",
            Self { on_failure: OnFailure { retry, .. }, .. } if retry.is_none() => {
                "an event that is tried 0 times is never taken in: 1 is one try"
            }
            Self { poll, lease, .. } if poll > lease => "the poll interval is longer than the lease",
            _ => return Ok(()),
        };
        Err(StartError::Settings { id: id.clone(), problem })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch: Self::DEFAULT_BATCH,
            lease: Self::DEFAULT_LEASE,
            poll: Self::DEFAULT_POLL,
            parts: Self::DEFAULT_PARTS,
            serve: false,
            on_failure: OnFailure::default(),
        }
    }
}

/// What becomes of an event that a projection cannot take in: it is tried again for a while, and then the policy decides.
///
/// A failure that [will pass](crate::ReadModelStore::is_transient), such as a lost connection or a deadlock, does not count: the
/// projection waits for it to pass, however long it takes, and says so in its [`Phase`](crate::Phase).
///
/// # Example: the three policies
///
/// ```
/// use es_core::{OnFailure, Retry};
///
/// let stop = OnFailure::stop();                                // the default: nothing moves until somebody looks
/// let skip = OnFailure::skip().after(Retry::never());          // leave it out, with a dead letter
/// let park = OnFailure::park();                                // its stream waits, all others go on
/// assert_eq!(OnFailure::default(), stop);
/// # let _ = (skip, park);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnFailure {
    pub(super) retry: Retry,
    pub(super) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Stop,
    Skip,
    Park,
}

impl OnFailure {
    /// How often an event is tried by default.
    pub const DEFAULT_ATTEMPTS: u32 = 5;

    /// Stops the projection. It begins again with the same event when it is started again.
    pub const fn stop() -> Self {
        Self::then(Then::Stop)
    }

    /// Leaves the event out, and keeps a dead letter.
    pub const fn skip() -> Self {
        Self::then(Then::Skip)
    }

    /// Keeps a dead letter, and has the rest of the event's stream wait behind it, in order. All other streams go on.
    pub const fn park() -> Self {
        Self::then(Then::Park)
    }

    /// How often to try before that. The default is [`DEFAULT_ATTEMPTS`](Self::DEFAULT_ATTEMPTS) tries, the waits doubling from
    /// 50 ms.
    #[must_use]
    pub const fn after(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    const fn then(then: Then) -> Self {
        let retry = Retry::attempts(Self::DEFAULT_ATTEMPTS).base(Duration::from_millis(50)).cap(Duration::from_secs(5));
        Self { retry, then }
    }
}

impl Default for OnFailure {
    fn default() -> Self {
        Self::stop()
    }
}
