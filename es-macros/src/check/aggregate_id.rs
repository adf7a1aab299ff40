//! Whether a type is a newtype that can be an id.

use syn::Data;

use crate::check::{no_attribute, no_rust_union};
use crate::ctxt::Ctxt;
use crate::model::AggregateId;

pub(crate) fn aggregate_id(ctxt: &Ctxt, id: &AggregateId<'_>) {
    no_rust_union(ctxt, id.input, "AggregateId");
    let ident = &id.input.ident;
    if let Some(first) = id.input.generics.params.first() {
        ctxt.mistake(first, "an id cannot be generic: write a newtype for each aggregate");
    }
    let usage = format!("write `struct {ident}(Uuid);`, or implement `AggregateId` by hand");
    match &id.input.data {
        Data::Enum(data) => ctxt.mistake(data.enum_token, format!("an enum has no one text form: {usage}")),
        Data::Struct(_) if id.inner.is_none() => {
            ctxt.mistake(ident, format!("an id is a struct with exactly one field: {usage}"));
        }
        _ => {}
    }
    if let Some((_, field)) = &id.inner {
        no_attribute(ctxt, &field.attrs, "aggregate_id", "it goes on the struct");
    }
}
