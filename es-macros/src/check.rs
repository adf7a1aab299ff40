//! Judges what a user wrote, and says what to write instead.

mod aggregate;
mod aggregate_id;
mod command;
mod event;
mod name;
mod serde;
mod upcast;

pub(crate) use aggregate::aggregate;
pub(crate) use aggregate_id::aggregate_id;
pub(crate) use command::command;
pub(crate) use event::event;

use syn::{Attribute, Data, DeriveInput};

use crate::ctxt::Ctxt;

/// Refuses `#[name(…)]` where it would be read by nobody.
fn no_attribute(ctxt: &Ctxt, attrs: &[Attribute], name: &str, instead: &str) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        ctxt.mistake(attr.path(), format!("`#[{name}(…)]` does nothing here, {instead}"));
    }
}

/// Refuses lifetimes on what has to live as long as the program may.
fn no_lifetimes(ctxt: &Ctxt, input: &DeriveInput, what: &str) {
    for lifetime in input.generics.lifetimes() {
        ctxt.mistake(lifetime, format!("{what} cannot borrow: own the data instead of taking a lifetime"));
    }
}

/// Refuses `union U { … }`.
fn no_rust_union(ctxt: &Ctxt, input: &DeriveInput, derive: &str) {
    if let Data::Union(data) = &input.data {
        ctxt.mistake(
            data.union_token,
            format!("`{derive}` cannot be derived for a Rust `union`, write a struct or an enum"),
        );
    }
}
