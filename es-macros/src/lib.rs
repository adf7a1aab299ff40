//! The derives of es-core, which re-exports them.
//!
//! A derive goes through the files in this order: `attr` (syntax) → `model` → `check` → `expand`, or `fallback` when the
//! checks found a mistake.

#![warn(missing_docs)]

mod attr;
mod case;
mod check;
mod crate_path;
mod ctxt;
mod derive;
mod expand;
mod fallback;
mod model;
mod nearest;

use proc_macro::TokenStream;

/// stub
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    run(input, derive::event)
}

/// stub
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn aggregate(input: TokenStream) -> TokenStream {
    run(input, derive::aggregate)
}

/// stub
#[proc_macro_derive(Command, attributes(command))]
pub fn command(input: TokenStream) -> TokenStream {
    run(input, derive::command)
}

/// stub
#[proc_macro_derive(AggregateId, attributes(aggregate_id))]
pub fn aggregate_id(input: TokenStream) -> TokenStream {
    run(input, derive::aggregate_id)
}

fn run(input: TokenStream, derive: fn(&syn::DeriveInput) -> proc_macro2::TokenStream) -> TokenStream {
    syn::parse(input).map_or_else(|error| error.to_compile_error(), |input| derive(&input)).into()
}
