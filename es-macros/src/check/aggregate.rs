//! Whether an aggregate is complete.

use proc_macro2::Ident;

use crate::check::{no_attribute, no_lifetimes, no_rust_union};
use crate::ctxt::Ctxt;
use crate::model::{Aggregate, Policy, Snapshot};
use syn::Data;

pub(crate) fn aggregate(ctxt: &Ctxt, aggregate: &Aggregate<'_>) {
    no_rust_union(ctxt, aggregate.input, "Aggregate");
    no_lifetimes(ctxt, aggregate.input, "an aggregate");
    no_attributes_inside(ctxt, &aggregate.input.data);
    match (&aggregate.id, &aggregate.event) {
        (Some(_), Some(_)) => {}
        (id, event) => missing(ctxt, &aggregate.input.ident, id.is_none(), event.is_none()),
    }
    if let Some(snapshot) = &aggregate.snapshot {
        check_snapshot(ctxt, snapshot);
    }
}

fn missing(ctxt: &Ctxt, ident: &Ident, id: bool, event: bool) {
    let keys = match (id, event) {
        (true, true) => format!("id = {ident}Id, event = {ident}Event"),
        (true, false) => format!("id = {ident}Id"),
        (false, _) => format!("event = {ident}Event"),
    };
    ctxt.mistake(ident, format!("incomplete aggregate: add `{keys}` to its `#[aggregate(…)]`"));
}

fn no_attributes_inside(ctxt: &Ctxt, data: &Data) {
    let instead = "it goes on the type";
    let fields = match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => {
            data.variants.iter().for_each(|variant| no_attribute(ctxt, &variant.attrs, "aggregate", instead));
            data.variants.iter().flat_map(|variant| &variant.fields).collect()
        }
        Data::Union(_) => Vec::new(),
    };
    fields.into_iter().for_each(|field| no_attribute(ctxt, &field.attrs, "aggregate", instead));
}

fn check_snapshot(ctxt: &Ctxt, snapshot: &Snapshot) {
    match snapshot.policies.as_slice() {
        [] => ctxt.mistake(
            &snapshot.key,
            "when are snapshots taken? Write `every = 100`, `slower_than_ms = 20` or `when = path::to_predicate`",
        ),
        [(_, policy)] => check_policy(ctxt, policy),
        [(first, _), others @ ..] => others
            .iter()
            .for_each(|(other, _)| ctxt.mistake(other, format!("`{first}` says already when snapshots are taken"))),
    }
    if let Some(version) = snapshot.version.as_ref().filter(|version| version.value == 0) {
        ctxt.mistake(&version.literal, "versions of a state start at 1");
    }
}

fn check_policy(ctxt: &Ctxt, policy: &Policy) {
    if let Policy::Every(events) = policy
        && events.value == 0
    {
        ctxt.mistake(&events.literal, "every 0 events is no policy: write 1 or more, or leave `snapshot` out");
    }
}
