//! What surrounds an event: who, why, and as part of what.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fresh_id::fresh_id;

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh one: a UUID version 7, which sorts by the time it was made.
            #[allow(clippy::new_without_default, reason = "a default that differs at every call would surprise")]
            pub fn new() -> Self {
                Self(fresh_id())
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_newtype! {
    /// Names one event in the whole world, whatever stream and store it is in.
    ///
    /// # Example: ids sort by the time they were made
    ///
    /// ```
    /// use es_core::EventId;
    /// let (first, second) = (EventId::new(), EventId::new());
    /// assert!(first < second);
    /// ```
    EventId
}
uuid_newtype! {
    /// Names the whole conversation that an event belongs to: one request, and all that followed from it.
    ///
    /// # Example: take it from a request's header
    ///
    /// ```
    /// use es_core::CorrelationId;
    /// let id: CorrelationId = "0193a7c5-7d2a-7cc0-8000-1d2f3a4b5c6d".parse()?;
    /// # Ok::<(), uuid::Error>(())
    /// ```
    CorrelationId
}
uuid_newtype! {
    /// Names the one message, an event or a command, that directly caused an event.
    ///
    /// # Example: an event is the cause of what follows
    ///
    /// ```
    /// use es_core::{CausationId, EventId};
    /// let event = EventId::new();
    /// assert_eq!(CausationId::from(event).0, event.0);
    /// ```
    CausationId
}

impl From<EventId> for CausationId {
    fn from(event: EventId) -> Self {
        Self(event.0)
    }
}

/// Where an event stands in a distributed trace, as [W3C Trace Context](https://www.w3.org/TR/trace-context/) has it.
///
/// # Example: pass on what a request brought
///
/// ```
/// use es_core::TraceContext;
///
/// let trace = TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
/// assert_eq!(trace.traceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// assert!(TraceContext::new("hello").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl TraceContext {
    /// Takes a `traceparent` header. `None` when it is malformed: the specification has receivers ignore such a header.
    pub fn new(traceparent: impl Into<String>) -> Option<Self> {
        let traceparent = traceparent.into();
        is_traceparent(&traceparent).then_some(Self { traceparent, tracestate: None })
    }

    /// Adds the `tracestate` header.
    #[must_use]
    pub fn with_state(self, tracestate: impl Into<String>) -> Self {
        Self { tracestate: Some(tracestate.into()), ..self }
    }

    /// The `traceparent` header.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The `tracestate` header, if one came along.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }
}

/// `version-trace-parent-flags` in lower-case hexadecimal, trace and parent not all zero; later versions may append more.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, len| part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let nonzero = |part: &str| part.bytes().any(|b| b != b'0');
    match parts.as_slice() {
        [version, trace, parent, flags, rest @ ..] => {
            hex(version, 2)
                && hex(trace, 32)
                && hex(parent, 16)
                && hex(flags, 2)
                && nonzero(trace)
                && nonzero(parent)
                && *version != "ff"
                && (rest.is_empty() || *version != "00")
        }
        _ => false,
    }
}

/// What surrounds an event: its conversation, its cause, who is behind it, and free headers.
///
/// Correlation and causation are filled in by [`execute`](crate::EventStoreExt::execute); everything else is as the
/// caller says. All parts are optional, and an empty part takes no room in a store.
///
/// # Example: say who is behind a change
///
/// ```
/// use es_core::Metadata;
///
/// let metadata = Metadata::default().with_actor("ada").with_source("back-office").with_header("ticket", "4711");
/// assert_eq!(metadata.actor.as_deref(), Some("ada"));
/// assert_eq!(metadata.headers["ticket"], "4711");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// The conversation the event belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<CorrelationId>,
    /// The message that directly caused the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<CausationId>,
    /// Who is behind the event: a user, a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Which system or channel the event came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where the event stands in a distributed trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// Whatever else should stay with the event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl Metadata {
    /// The conversation that an event with this metadata belongs to: the one that is named here, or else the one that the event
    /// begins, which has the event's own id.
    ///
    /// # Example: with and without a name
    ///
    /// ```
    /// use es_core::{CorrelationId, EventId, Metadata};
    ///
    /// let (event, named) = (EventId::new(), CorrelationId::new());
    /// assert_eq!(Metadata::default().with_correlation(named).conversation(event), named);
    /// assert_eq!(Metadata::default().conversation(event), CorrelationId(event.0));
    /// ```
    #[must_use]
    pub fn conversation(&self, event: EventId) -> CorrelationId {
        self.correlation_id.unwrap_or(CorrelationId(event.0))
    }

    /// Sets the conversation.
    #[must_use]
    pub fn with_correlation(self, id: impl Into<CorrelationId>) -> Self {
        Self { correlation_id: Some(id.into()), ..self }
    }

    /// Sets the direct cause.
    #[must_use]
    pub fn with_causation(self, id: impl Into<CausationId>) -> Self {
        Self { causation_id: Some(id.into()), ..self }
    }

    /// Sets who is behind the event.
    #[must_use]
    pub fn with_actor(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// Sets the system or channel.
    #[must_use]
    pub fn with_source(self, source: impl Into<String>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Sets the place in a distributed trace.
    #[must_use]
    pub fn with_trace(self, trace: TraceContext) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// Adds a header. A header of the same name is replaced.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}
