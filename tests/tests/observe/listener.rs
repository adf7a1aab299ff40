//! A subscriber that keeps what its thread is told, beside one of all threads that keeps nothing.
//!
//! Without the latter, things would be missed. While `tracing` knows of one subscriber alone, it asks the thread that first comes
//! past a place whether anybody wants to hear of it, and takes the answer for all threads: a test that has no subscriber would
//! silence the place for the one that has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest, set_default, set_global_default};
use tracing::{Event, Level, Metadata, Subscriber};

pub type Fields = BTreeMap<String, String>;

/// An event, in the spans around it.
#[derive(Clone, Debug)]
pub struct Told {
    pub level: Level,
    pub message: String,
    pub fields: Fields,
    /// From the innermost one outwards.
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug)]
pub struct Span {
    pub name: &'static str,
    pub fields: Fields,
    parent: Option<u64>,
}

/// Has `tracing` ask every time who wants to hear it. Each test begins with it, also one that does not listen, before it comes past
/// anything.
pub fn ask_every_time() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_global_default(Listener::up_to(LevelFilter::OFF)).unwrap());
}

#[derive(Clone)]
pub struct Listener {
    most: LevelFilter,
    name: Option<&'static str>,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    spans: Vec<Span>,
    entered: Vec<u64>,
    told: Vec<Told>,
}

impl Listener {
    /// Listens to everything up to this level.
    pub fn up_to(most: impl Into<LevelFilter>) -> Self {
        Self { most: most.into(), name: None, heard: Arc::default() }
    }

    /// Listens to nothing but the spans of this name.
    pub fn named(name: &'static str) -> Self {
        Self { name: Some(name), ..Self::up_to(Level::TRACE) }
    }

    /// Hears what this thread has to say, until the guard is dropped.
    pub fn listen(&self) -> DefaultGuard {
        set_default(self.clone())
    }

    pub fn told(&self) -> Vec<Told> {
        self.heard().told.clone()
    }

    pub fn messages(&self) -> Vec<String> {
        self.told().into_iter().map(|told| told.message).collect()
    }

    /// The only event with this message.
    pub fn only(&self, message: &str) -> Told {
        let mut found: Vec<_> = self.told().into_iter().filter(|told| told.message == message).collect();
        assert_eq!(found.len(), 1, "told: {:?}", self.messages());
        found.remove(0)
    }

    pub fn spans(&self, name: &str) -> Vec<Span> {
        self.heard().spans.iter().filter(|span| span.name == name).cloned().collect()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn span(&self, id: u64) -> &Span {
        &self.spans[usize::try_from(id).unwrap() - 1]
    }

    fn parent_of(&self, is_contextual: bool, parent: Option<&Id>) -> Option<u64> {
        if is_contextual { self.entered.last().copied() } else { parent.map(Id::into_u64) }
    }
}

impl Subscriber for Listener {
    /// Neither always nor never: it depends on who listens to the thread.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_wanted = *metadata.level() <= self.most && self.name.is_none_or(|name| metadata.name() == name);
        is_wanted && metadata.target().starts_with("es_core")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Writer::default();
        attributes.record(&mut fields);
        let mut heard = self.heard();
        let parent = heard.parent_of(attributes.is_contextual(), attributes.parent());
        heard.spans.push(Span { name: attributes.metadata().name(), fields: fields.0, parent });
        Id::from_u64(heard.spans.len().try_into().unwrap())
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Writer::default();
        values.record(&mut fields);
        let nth = usize::try_from(span.into_u64()).unwrap() - 1;
        self.heard().spans[nth].fields.append(&mut fields.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Writer::default();
        event.record(&mut fields);
        let mut heard = self.heard();
        let innermost = heard.parent_of(event.is_contextual(), event.parent());
        let spans = std::iter::successors(innermost, |id| heard.span(*id).parent);
        let spans = spans.map(|id| heard.span(id).clone()).collect();
        let message = fields.0.remove("message").unwrap_or_default();
        heard.told.push(Told { level: *event.metadata().level(), message, fields: fields.0, spans });
    }

    fn enter(&self, span: &Id) {
        self.heard().entered.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut heard = self.heard();
        let last = heard.entered.iter().rposition(|id| *id == span.into_u64());
        last.map(|nth| heard.entered.remove(nth));
    }
}

#[derive(Default)]
struct Writer(Fields);

impl Visit for Writer {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
