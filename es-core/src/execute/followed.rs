//! A command that somebody follows, by a subscriber of `tracing`.

use tracing::Instrument;
use tracing::field::Empty;

use crate::aggregate::stream_of;
use crate::command::Command;
use crate::error::ExecuteError;
use crate::execute::{Decide, Execute, Outcome};
use crate::store::EventStore;

impl<S: EventStore, C: Command, D: Decide<C>> Execute<'_, S, C, D> {
    /// Whether anybody follows commands. Where nobody does, the question is all that it costs.
    pub(super) fn is_followed() -> bool {
        tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Runs it with all its tries in one span.
    pub(super) async fn run_followed(self) -> Result<Outcome<C::Aggregate>, ExecuteError<D::Error>> {
        let stream = stream_of::<C::Aggregate>(self.command.aggregate_id())?;
        let command = std::any::type_name::<C>();
        let span = tracing::debug_span!("execute", %stream, command, attempts = Empty, stream_version = Empty);
        let done = self.run().instrument(span.clone()).await;
        if let Ok(outcome) = &done {
            span.record("attempts", outcome.attempts).record("stream_version", outcome.version.0);
        }
        done
    }
}
