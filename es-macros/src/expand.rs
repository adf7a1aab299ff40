//! Writes the implementations. What is generic is in `es_core::__private`, so that these stay small.

mod aggregate;
mod aggregate_id;
mod command;
mod document;
mod event;
mod inherent;

pub(crate) use aggregate::aggregate;
pub(crate) use aggregate_id::{aggregate_id, text_forms};
pub(crate) use command::command;
pub(crate) use document::document;
pub(crate) use event::{conversions, event};

use proc_macro2::{Group, Span, TokenStream, TokenTree};

/// Code of ours that the compiler shows at `span` when it does not fit. Its names are still looked up where the derive
/// stands, also if the tokens at `span` were made by another macro.
fn shown_at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The same code, all of it shown at `span`.
fn moved(code: TokenStream, span: Span) -> TokenStream {
    let token = |token| match token {
        TokenTree::Group(group) => {
            let mut moved_group = Group::new(group.delimiter(), moved(group.stream(), span));
            moved_group.set_span(group.span().located_at(span));
            moved_group.into()
        }
        mut token => {
            token.set_span(token.span().located_at(span));
            token
        }
    };
    code.into_iter().map(token).collect()
}
