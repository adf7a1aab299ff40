//! What an append leaves behind: its events, kept close together, since a store in memory is made of nothing else.

use std::borrow::Cow;
use std::sync::Arc;

use es_core::{
    CausationId, CorrelationId, EncodedEvent, EventId, JsonText, Metadata, NewEvent, Position, RawEvent, StreamId,
    Timestamp, Version,
};

use crate::draft::Draft;

/// An append that was accepted. It is kept whole, in its stream and in the log, so that no reader ever sees a part of it.
pub(crate) struct Commit {
    pub(crate) stream: StreamId,
    /// The stream's version before.
    pub(crate) before: Version,
    /// The end of the log before.
    pub(crate) after: Position,
    pub(crate) recorded_at: Timestamp,
    /// The latest time of any commit in the log up to here.
    pub(crate) latest: Timestamp,
    /// When the store took it in.
    pub(crate) taken_at: Timestamp,
    /// Most commits have one event, which is kept in place. No append has none.
    first: Option<Stored>,
    others: Box<[Stored]>,
}

/// An event as it is kept.
struct Stored {
    id: EventId,
    event_type: Cow<'static, str>,
    schema_version: u32,
    payload: JsonText,
    surroundings: Surroundings,
}

/// Metadata, which is large, and holds nothing but these two ids most of the time.
enum Surroundings {
    Ids(Option<CorrelationId>, Option<CausationId>),
    All(Box<Metadata>),
}

/// One event of a commit.
pub(crate) struct Entry<'a> {
    commit: &'a Commit,
    /// Which event of the commit it is, from 1.
    number: u64,
    event: &'a Stored,
}

impl Commit {
    /// What will be one when the log has given it a place.
    pub(crate) fn draft(draft: Draft) -> Arc<Self> {
        let Draft { stream, before, recorded_at, taken_at, events, key: _ } = draft;
        let mut events = events.into_iter().map(Stored::from);
        let (first, others) = (events.next(), events.collect());
        let (after, latest) = (Position::START, recorded_at);
        Arc::new(Self { stream, before, after, recorded_at, latest, taken_at, first, others })
    }

    /// How many events it has.
    fn len(&self) -> u64 {
        u64::from(self.first.is_some()) + self.others.len() as u64
    }

    /// The version of its last event.
    pub(crate) fn version(&self) -> Version {
        self.before.after(self.len())
    }

    /// The place of its last event.
    pub(crate) fn position(&self) -> Position {
        Position(self.after.0.saturating_add(self.len()))
    }

    /// The id of its last event.
    pub(crate) fn last(&self) -> Option<EventId> {
        self.others.last().or(self.first.as_ref()).map(|event| event.id)
    }

    /// Its events, in order.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        let others = self.others.iter().enumerate().map(|(index, event)| (index as u64 + 2, event));
        let first = self.first.as_ref().map(|event| (1, event));
        first.into_iter().chain(others).map(|(number, event)| Entry { commit: self, number, event })
    }
}

impl From<NewEvent> for Stored {
    fn from(event: NewEvent) -> Self {
        let NewEvent { id, event_type, schema_version, payload, metadata } = event;
        Self { id, event_type, schema_version, payload, surroundings: metadata.into() }
    }
}

impl From<Metadata> for Surroundings {
    fn from(metadata: Metadata) -> Self {
        let ids = Self::Ids(metadata.correlation_id, metadata.causation_id);
        if metadata.actor.is_none()
            && metadata.source.is_none()
            && metadata.trace.is_none()
            && metadata.headers.is_empty()
        {
            return ids;
        }
        Self::All(Box::new(metadata))
    }
}

impl From<&Surroundings> for Metadata {
    fn from(surroundings: &Surroundings) -> Self {
        match surroundings {
            Surroundings::All(metadata) => (**metadata).clone(),
            Surroundings::Ids(correlation, causation) => {
                let mut metadata = Self::default();
                (metadata.correlation_id, metadata.causation_id) = (*correlation, *causation);
                metadata
            }
        }
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn version(&self) -> Version {
        self.commit.before.after(self.number)
    }

    pub(crate) fn position(&self) -> Position {
        Position(self.commit.after.0.saturating_add(self.number))
    }

    pub(crate) fn id(&self) -> EventId {
        self.event.id
    }

    /// The conversation that it belongs to, or begins.
    pub(crate) fn conversation(&self) -> CorrelationId {
        let id = self.event.id;
        match &self.event.surroundings {
            Surroundings::All(metadata) => metadata.conversation(id),
            Surroundings::Ids(named, _) => named.unwrap_or(CorrelationId(id.0)),
        }
    }

    pub(crate) fn event_type(&self) -> &'a str {
        &self.event.event_type
    }

    /// What a fold is shown.
    pub(crate) fn encoded(&self) -> EncodedEvent<'a> {
        let Stored { event_type, schema_version, payload, .. } = self.event;
        EncodedEvent::new(self.commit.stream.category(), event_type, *schema_version, payload)
    }

    /// What a reader of the stream is shown.
    pub(crate) fn raw(&self) -> RawEvent<'a> {
        RawEvent {
            id: self.event.id,
            stream: self.commit.stream.clone(),
            version: self.version(),
            position: None,
            event_type: &self.event.event_type,
            schema_version: self.event.schema_version,
            payload: &self.event.payload,
            metadata: (&self.event.surroundings).into(),
            recorded_at: self.commit.recorded_at,
        }
    }

    /// What a reader of the log is shown.
    pub(crate) fn raw_in_log(&self) -> RawEvent<'a> {
        RawEvent { position: Some(self.position()), ..self.raw() }
    }
}
