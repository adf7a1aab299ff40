//! Whether the fields that queries may ask for are there.

use syn::LitStr;

use crate::ctxt::Ctxt;
use crate::model::{Document, JsonField};
use crate::nearest::nearest;

pub(super) fn fields(ctxt: &Ctxt, document: &Document<'_>) {
    let Some((key, names)) = &document.indexed else { return };
    if names.is_empty() {
        ctxt.mistake(key, "which fields may queries ask for? Write `indexed(\"…\")`, or leave `indexed` out");
    }
    let known = JsonField::all(document.input);
    for (i, name) in names.iter().enumerate() {
        let text = name.value();
        if names.iter().take(i).any(|earlier| earlier.value() == text) {
            ctxt.mistake(name, format!("`{text}` is there twice, remove one"));
        } else if let Some(known) = &known {
            one(ctxt, name, known);
        }
    }
}

fn one(ctxt: &Ctxt, name: &LitStr, known: &[JsonField]) {
    let text = name.value();
    let written: Vec<_> = known.iter().filter_map(|field| field.written.as_deref()).collect();
    if written.contains(&text.as_str()) {
        return;
    }
    let message = match known.iter().find(|field| field.name == text).map(|field| &field.written) {
        Some(Some(written)) => {
            format!("serde writes the field `{text}` as `{written}`, and queries ask for it by that name")
        }
        Some(None) => format!("serde leaves the field `{text}` out, so no query can ask for it"),
        None => missing(&text, &written),
    };
    ctxt.mistake(name, message);
}

fn missing(name: &str, written: &[&str]) -> String {
    match (nearest(name, written), written) {
        (Some(meant), _) => format!("the JSON has no field `{name}`, did you mean `{meant}`?"),
        (None, []) => format!("the JSON has no field `{name}`, it has none at all"),
        (None, _) => format!("the JSON has no field `{name}`; it has `{}`", written.join("`, `")),
    }
}
