//! Judges what a user wrote, and says what to write instead.

mod aggregate;
mod aggregate_id;
mod command;
mod document;
mod event;
mod indexed;
mod name;
mod serde;
mod upcast;

pub(crate) use aggregate::aggregate;
pub(crate) use aggregate_id::aggregate_id;
pub(crate) use command::command;
pub(crate) use document::document;
pub(crate) use event::event;

use syn::{Attribute, Data, DeriveInput, Path};

use crate::ctxt::Ctxt;

/// Refuses `#[name(…)]` where it would be read by nobody.
fn no_attribute(ctxt: &Ctxt, attrs: &[Attribute], name: &str, instead: &str) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        ctxt.mistake(attr.path(), format!("`#[{name}(…)]` does nothing here, {instead}"));
    }
}

/// Refuses `#[name(…)]` on variants and fields.
fn no_attributes_inside(ctxt: &Ctxt, data: &Data, name: &str) {
    let instead = "it goes on the type";
    let fields = match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => {
            data.variants.iter().for_each(|variant| no_attribute(ctxt, &variant.attrs, name, instead));
            data.variants.iter().flat_map(|variant| &variant.fields).collect()
        }
        Data::Union(_) => Vec::new(),
    };
    fields.into_iter().for_each(|field| no_attribute(ctxt, &field.attrs, name, instead));
}

/// `Aggregate::apply` is what is being implemented. Paths through the type's own name are seen to in the expansion.
fn not_the_trait_itself(ctxt: &Ctxt, path: &Path, method: &str, implemented: &str) {
    let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
    if names.next().is_some_and(|last| last == method) && names.next().is_some_and(|owner| owner == implemented) {
        let message = format!("`{implemented}::{method}` would call itself for ever: name a function of your own");
        ctxt.mistake(path, message);
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
