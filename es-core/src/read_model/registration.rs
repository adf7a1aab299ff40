//! What a store is told of a projection before it runs.

use crate::error::Error;
use crate::read_model::{ProjectionId, Refusal};

/// Who writes the read model: the store keeps a table for documents, projectors have their own, and reactors have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadModelKind {
    /// Written by a [`Projector`](crate::Projector).
    Projector,
    /// Made of [`Document`](crate::Document)s.
    Documents,
    /// None: a [`Reactor`](crate::Reactor) or an [`Effect`](crate::Effect), which does what follows from events.
    Reactor,
}

/// What a store is told of a projection before it runs for the first time.
///
/// # Example: documents that queries ask for by their owner
///
/// ```
/// use es_core::{ProjectionId, ReadModelKind, Registration};
///
/// let mut registration = Registration::new(ProjectionId::new("statement", 1)?, ReadModelKind::Documents);
/// registration.indexed = &["owner"];
/// # Ok::<(), es_core::InvalidProjection>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// Which one.
    pub id: ProjectionId,
    /// Who writes it.
    pub kind: ReadModelKind,
    /// The fields of its documents that can be asked for, by their names at the top of the JSON.
    pub indexed: &'static [&'static str],
    /// Into how many parts it is divided to begin with. One that is known already stays as it is divided.
    pub parts: u16,
    /// Whether it is written in the append's own transaction, and so has no owner.
    pub inline: bool,
    /// Whether what is in the log by now is [history](crate::Lease::live_from) to it. Otherwise nothing is, and all events are
    /// present to it.
    pub has_history: bool,
}

impl Registration {
    /// An undivided projection, run by a runner, without indexed fields, to which what is there is history.
    pub fn new(id: ProjectionId, kind: ReadModelKind) -> Self {
        Self { id, kind, indexed: &[], parts: 1, inline: false, has_history: true }
    }

    /// Refuses to take what is kept for something else. For stores, which ask it about what they have kept of the projection.
    ///
    /// # Errors
    /// [`Error::Setup`] when it is of another kind, or run in another way.
    ///
    /// # Example: documents are no projector
    ///
    /// ```
    /// use es_core::{ProjectionId, ReadModelKind, Registration};
    ///
    /// let wanted = Registration::new(ProjectionId::new("statement", 1)?, ReadModelKind::Documents);
    /// assert!(wanted.check_same(ReadModelKind::Documents, false).is_ok());
    /// assert!(wanted.check_same(ReadModelKind::Projector, false).is_err());
    /// # Ok::<(), es_core::InvalidProjection>(())
    /// ```
    pub fn check_same(&self, kept: ReadModelKind, inline: bool) -> Result<(), Error> {
        if (kept, inline) == (self.kind, self.inline) {
            return Ok(());
        }
        let (kept, wanted) = (described(kept, inline), described(self.kind, self.inline));
        Err(Refusal::OtherKind { kept, wanted }.of(&self.id))
    }
}

fn described(kind: ReadModelKind, inline: bool) -> &'static str {
    match (kind, inline) {
        (ReadModelKind::Projector, false) => "a projector",
        (ReadModelKind::Projector, true) => "an inline projector",
        (ReadModelKind::Documents, false) => "documents",
        (ReadModelKind::Documents, true) => "inline documents",
        (ReadModelKind::Reactor, false) => "a reactor",
        (ReadModelKind::Reactor, true) => "an inline reactor",
    }
}
