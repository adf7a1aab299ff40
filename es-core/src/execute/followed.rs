//! A command that somebody follows, by a subscriber of `tracing`.

use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::aggregate::stream_of;
use crate::command::Command;
use crate::error::ExecuteError;
use crate::execute::{Decide, Execute, Outcome};
use crate::store::EventStore;

impl<S: EventStore, C: Command, D: Decide<C>> Execute<'_, S, C, D> {
    /// The span of the command, if anybody follows it. Where nobody does, nothing of it is made: the question is all that it costs.
    ///
    /// Only the span itself can be asked about: a filter may want spans of its name, or of one stream.
    pub(super) fn span(&self) -> Option<Span> {
        let span = tracing::debug_span!(
            "execute",
            stream = stream_of::<C::Aggregate>(self.command.aggregate_id()).ok().map(tracing::field::display),
            command = std::any::type_name::<C>(),
            attempts = Empty,
            stream_version = Empty,
        );
        (!span.is_disabled()).then_some(span)
    }

    /// Runs it with all its tries in one span.
    pub(super) async fn run_in(self, span: Span) -> Result<Outcome<C::Aggregate>, ExecuteError<D::Error>> {
        let done = self.run().instrument(span.clone()).await;
        if let Ok(outcome) = &done {
            span.record("attempts", outcome.attempts).record("stream_version", outcome.version.0);
        }
        done
    }
}
