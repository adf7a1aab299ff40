//! Names that are stored: categories, event types and documents.

use syn::{Ident, LitStr};

use crate::ctxt::Ctxt;
use crate::model::{Document, Event, EventType};

/// The same limits as the constants of es-core, which a proc macro cannot import.
const MAX_CATEGORY_BYTES: usize = 128;
const MAX_EVENT_TYPE_BYTES: usize = 200;
const MAX_PROJECTION_NAME_BYTES: usize = 40;

pub(super) fn category(ctxt: &Ctxt, category: &LitStr) {
    match category.value().as_str() {
        "" => ctxt.mistake(category, "the category is empty"),
        text if text.contains('-') => ctxt.mistake(
            category,
            format!(
                "the category `{text}` holds `-`, which ends the category in a stream's name; write `{}`",
                text.replace('-', "_")
            ),
        ),
        text if text.contains('\0') => ctxt.mistake(category, "the category holds a NUL character"),
        text if text.len() > MAX_CATEGORY_BYTES => ctxt.mistake(
            category,
            format!("the category is {} bytes long, at most {MAX_CATEGORY_BYTES} are allowed", text.len()),
        ),
        _ => {}
    }
}

/// The rule of `es_core::ProjectionId::new`: the name becomes part of a table's name.
pub(super) fn document(ctxt: &Ctxt, document: &Document<'_>) {
    let name = document.name();
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
    let fits = (1..=MAX_PROJECTION_NAME_BYTES).contains(&name.len()) && name.chars().all(plain);
    if fits && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return;
    }
    let rule = format!(
        "`{name}` cannot be the name of documents: 1 to {MAX_PROJECTION_NAME_BYTES} lower-case letters, digits and `_`, \
         with a letter first"
    );
    match &document.name {
        Some(literal) => ctxt.mistake(literal, rule),
        None => ctxt.mistake(&document.input.ident, format!("{rule}; add `name = \"…\"`")),
    }
}

/// Checks the names of all types of the set, each by itself and against those before it.
pub(super) fn event_types(ctxt: &Ctxt, event: &Event<'_>) {
    let mut taken: Vec<Name<'_>> = Vec::new();
    for name in event.types.iter().flat_map(|event_type| names(event_type, &event.category())) {
        one(ctxt, &name);
        if name.text.is_empty() {
            continue;
        }
        if let Some(first) = taken.iter().find(|first| first.text == name.text) {
            name.mistake(ctxt, &twice(&name, first));
        }
        taken.push(name);
    }
}

/// A name of an event type, the variant it is for, and the literal it is written in, unless it is the default.
struct Name<'a> {
    text: String,
    owner: &'a Ident,
    literal: Option<&'a LitStr>,
    is_alias: bool,
}

impl Name<'_> {
    fn mistake(&self, ctxt: &Ctxt, message: &str) {
        match self.literal {
            Some(literal) => ctxt.mistake(literal, message),
            None => ctxt.mistake(self.owner, message),
        }
    }

    fn kind(&self) -> &'static str {
        if self.is_alias { "an alias" } else { "the name" }
    }
}

fn names<'a>(event_type: &'a EventType<'a>, category: &str) -> Vec<Name<'a>> {
    let owner = event_type.ident;
    let own = Name { text: event_type.name(category), owner, literal: event_type.rename.as_ref(), is_alias: false };
    let aliases = event_type.aliases.iter().map(|alias| Name {
        text: alias.value(),
        owner,
        literal: Some(alias),
        is_alias: true,
    });
    std::iter::once(own).chain(aliases).collect()
}

fn one(ctxt: &Ctxt, name: &Name<'_>) {
    match name.text.as_str() {
        "" => name.mistake(ctxt, "the name of an event type is empty"),
        // A default name has its NUL from the category, where it is a mistake already.
        text if text.contains('\0') && name.literal.is_some() => {
            name.mistake(ctxt, "the name of an event type holds a NUL character")
        }
        text if text.len() > MAX_EVENT_TYPE_BYTES => name.mistake(
            ctxt,
            &format!(
                "the name of an event type is {} bytes long, at most {MAX_EVENT_TYPE_BYTES} are allowed",
                text.len()
            ),
        ),
        _ => {}
    }
}

fn twice(name: &Name<'_>, first: &Name<'_>) -> String {
    let (text, kind, owner) = (&name.text, first.kind(), first.owner);
    match name.owner == owner {
        true => format!("`{text}` is {kind} of `{owner}` already, remove it here"),
        false => format!("`{text}` is {kind} of `{owner}` already; names are unique, also among aliases"),
    }
}
