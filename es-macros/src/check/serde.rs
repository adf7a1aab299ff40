//! Serde's attributes that would break how events are stored.
//!
//! The type of an event is stored beside its content, so an event enum must be what serde makes by default: externally
//! tagged, with every variant in its place. What only changes the content is welcome.

use proc_macro2::{Ident, TokenTree};
use syn::{Attribute, Meta};

use crate::ctxt::Ctxt;

const TAG: &str = "the type of an event is stored beside it, so the enum needs serde's default form";
const DETOUR: &str = "events are read and written variant by variant, which another type in between would hide";
const PLACE: &str = "every variant of an event enum must be read and written, each for itself";

/// Checks the attributes of an event enum.
pub(super) fn on_enum(ctxt: &Ctxt, attrs: &[Attribute]) {
    refuse(ctxt, attrs, |key| match key {
        "tag" | "content" | "untagged" | "variant_identifier" | "field_identifier" => Some(TAG),
        "from" | "try_from" | "into" | "transparent" | "remote" => Some(DETOUR),
        _ => None,
    });
}

/// Checks the attributes of a variant.
pub(super) fn on_variant(ctxt: &Ctxt, attrs: &[Attribute]) {
    refuse(ctxt, attrs, |key| match key {
        "skip" | "skip_serializing" | "skip_deserializing" | "other" => Some(PLACE),
        "untagged" => Some(TAG),
        _ => None,
    });
}

/// Checks the attributes of a struct that is an event by itself.
pub(super) fn on_struct(ctxt: &Ctxt, attrs: &[Attribute]) {
    refuse(ctxt, attrs, |key| (key == "remote").then_some("the event's own type must be readable and writable"));
}

fn refuse(ctxt: &Ctxt, attrs: &[Attribute], why: impl Fn(&str) -> Option<&'static str>) {
    for key in attrs.iter().filter(|attr| attr.path().is_ident("serde")).flat_map(keys) {
        if let Some(why) = why(&key.to_string()) {
            ctxt.mistake(&key, format!("an event cannot have `{key}` here, remove it: {why}"));
        }
    }
}

/// The first word of each item. Serde itself judges the rest.
fn keys(attr: &Attribute) -> Vec<Ident> {
    let Meta::List(list) = &attr.meta else { return Vec::new() };
    let mut at_start = true;
    let mut keys = Vec::new();
    for token in list.tokens.clone() {
        let starts = std::mem::replace(&mut at_start, matches!(&token, TokenTree::Punct(p) if p.as_char() == ','));
        if let (true, TokenTree::Ident(key)) = (starts, token) {
            keys.push(key);
        }
    }
    keys
}
