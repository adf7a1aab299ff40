//! Each derive from start to end: read → check → expand, on streams that need no compiler around them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::ctxt::Ctxt;
use crate::{check, expand, fallback, model};

pub(crate) fn event(input: &DeriveInput) -> TokenStream {
    let ctxt = Ctxt::default();
    let event = model::Event::read(&ctxt, input);
    check::event(&ctxt, &event);
    verdict(ctxt, || expand::event(&event), || fallback::event(&event))
}

pub(crate) fn aggregate(input: &DeriveInput) -> TokenStream {
    let ctxt = Ctxt::default();
    let aggregate = model::Aggregate::read(&ctxt, input);
    check::aggregate(&ctxt, &aggregate);
    verdict(ctxt, || expand::aggregate(&aggregate), || fallback::aggregate(&aggregate))
}

pub(crate) fn command(input: &DeriveInput) -> TokenStream {
    let ctxt = Ctxt::default();
    let command = model::Command::read(&ctxt, input);
    check::command(&ctxt, &command);
    verdict(ctxt, || expand::command(&command), || fallback::command(&command))
}

pub(crate) fn document(input: &DeriveInput) -> TokenStream {
    let ctxt = Ctxt::default();
    let document = model::Document::read(&ctxt, input);
    check::document(&ctxt, &document);
    verdict(ctxt, || expand::document(&document), || fallback::document(&document))
}

pub(crate) fn aggregate_id(input: &DeriveInput) -> TokenStream {
    let ctxt = Ctxt::default();
    let id = model::AggregateId::read(&ctxt, input);
    check::aggregate_id(&ctxt, &id);
    verdict(ctxt, || expand::aggregate_id(&id), || fallback::aggregate_id(&id))
}

fn verdict(ctxt: Ctxt, expand: impl FnOnce() -> TokenStream, fallback: impl FnOnce() -> TokenStream) -> TokenStream {
    match ctxt.finish() {
        Ok(()) => expand(),
        Err(mistakes) => {
            let stub = fallback();
            quote!(#mistakes #stub)
        }
    }
}
