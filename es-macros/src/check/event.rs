//! Whether a set of events can be stored, and read for ever.

use syn::ext::IdentExt as _;
use syn::{Data, Ident};

use crate::case::snake_case;
use crate::check::{name, no_attribute, no_rust_union, serde, upcast};
use crate::ctxt::Ctxt;
use crate::model::{Event, EventType};

pub(crate) fn event(ctxt: &Ctxt, event: &Event<'_>) {
    no_rust_union(ctxt, event.input, "Event");
    no_generics(ctxt, event);
    no_attributes_on_fields(ctxt, event);
    if matches!(event.input.data, Data::Enum(_)) && event.types.is_empty() {
        ctxt.mistake(&event.input.ident, "this enum has no variants, so there is no event to store");
    }
    match (&event.union, &event.input.data) {
        (_, Data::Union(_)) => {}
        (Some(word), _) => union(ctxt, event, word),
        (None, _) => set(ctxt, event),
    }
}

fn no_generics(ctxt: &Ctxt, event: &Event<'_>) {
    if let Some(first) = event.input.generics.params.first() {
        let message = "events cannot be generic: a stored event has one type for ever; write the types out";
        ctxt.mistake(first, message);
    }
}

fn no_attributes_on_fields(ctxt: &Ctxt, event: &Event<'_>) {
    for field in event.types.iter().flat_map(|event_type| event_type.fields) {
        no_attribute(ctxt, &field.attrs, "event", "fields are serde's: write `#[serde(…)]`");
    }
}

fn set(ctxt: &Ctxt, event: &Event<'_>) {
    match &event.category {
        Some(category) => name::category(ctxt, category),
        None if event.seen.excuses("category") || event.seen.excuses("union") => {}
        None => missing_category(ctxt, event),
    }
    name::event_types(ctxt, event);
    event.types.iter().for_each(|event_type| upcast::chain(ctxt, event_type));
    if event.is_struct() {
        serde::on_struct(ctxt, &event.input.attrs);
    } else {
        serde::on_enum(ctxt, &event.input.attrs);
        event.types.iter().for_each(|variant| serde::on_variant(ctxt, variant.attrs));
    }
}

fn missing_category(ctxt: &Ctxt, event: &Event<'_>) {
    let ident = &event.input.ident;
    let name = snake_case(&ident.unraw().to_string());
    let category = name.strip_suffix("_event").unwrap_or(&name);
    let union = if event.is_struct() { "" } else { ", or `#[event(union)]` if it joins other event sets" };
    ctxt.mistake(ident, format!("the category is missing: write `#[event(category = \"{category}\")]`{union}"));
}

fn union(ctxt: &Ctxt, event: &Event<'_>, word: &Ident) {
    if event.category.is_some() {
        ctxt.mistake(word, "a union has no category of its own: remove `category`, or `union`");
    }
    event.types.iter().for_each(|member| union_member(ctxt, member));
}

fn union_member(ctxt: &Ctxt, member: &EventType<'_>) {
    let own_words = "a member of a union keeps the names and versions of its own event set";
    no_attribute(ctxt, member.attrs, "event", own_words);
    if member.newtype().is_none() {
        let ident = member.ident;
        ctxt.mistake(ident, format!("a variant of a union holds one event set: write `{ident}({ident}Event)`"));
    }
}
