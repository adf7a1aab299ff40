//! Whether a document is complete.

use crate::attr::Function;
use crate::check::{indexed, name, no_attributes_inside, no_lifetimes, no_rust_union, not_the_trait_itself};
use crate::ctxt::Ctxt;
use crate::model::Document;

pub(crate) fn document(ctxt: &Ctxt, document: &Document<'_>) {
    no_rust_union(ctxt, document.input, "Document");
    no_lifetimes(ctxt, document.input, "a document");
    no_attributes_inside(ctxt, &document.input.data, "document");
    complete(ctxt, document);
    if !document.seen.excuses("name") {
        name::document(ctxt, document);
    }
    functions_of_their_own(ctxt, document);
    indexed::fields(ctxt, document);
}

fn complete(ctxt: &Ctxt, document: &Document<'_>) {
    let Document { input, event, apply, apply_as, seen, .. } = document;
    let ident = &input.ident;
    let applies = apply.is_some() || apply_as.is_some() || seen.excuses("apply") || seen.excuses("apply_as");
    let missing: Vec<_> = [
        (event.is_none() && !seen.excuses("event")).then(|| "event = TheEvent".to_owned()),
        (!applies).then(|| format!("apply = {ident}::apply")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !missing.is_empty() {
        let message = format!("incomplete document: write `#[document(…)]` with `{}`", missing.join(", "));
        ctxt.mistake(ident, message);
    }
    if let (Some(_), Some((key, _))) = (apply, apply_as) {
        ctxt.mistake(key, "`apply` says already what an event does: keep `apply_as` if the key matters, else `apply`");
    }
}

fn functions_of_their_own(ctxt: &Ctxt, document: &Document<'_>) {
    let apply_as = document.apply_as.as_ref().map(|(_, function)| function);
    for (function, method) in [
        (document.key.as_ref(), "key"),
        (document.apply.as_ref(), "apply"),
        (apply_as, "apply_as"),
        (document.deleted.as_ref(), "is_deleted"),
    ] {
        if let Some(Function::Path(path)) = function {
            not_the_trait_itself(ctxt, path, method, "Document");
        }
    }
}
