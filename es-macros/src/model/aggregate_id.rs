//! A newtype that is the id of an aggregate.

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Data, DeriveInput, Field, Fields, Ident, Member};

use crate::attr::{self, Keys};
use crate::crate_path::CratePath;
use crate::ctxt::Ctxt;

const ON_STRUCT: Keys =
    Keys { place: "`#[aggregate_id(…)]`", known: &["no_display", "crate"], repeatable: &[], elsewhere: &[] };

pub(crate) struct AggregateId<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: CratePath,
    pub(crate) no_display: Option<Ident>,
    /// The one field, if there is exactly one.
    pub(crate) inner: Option<(Member, &'a Field)>,
}

impl<'a> AggregateId<'a> {
    pub(crate) fn read(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let mut id = Self { input, krate: CratePath::default(), no_display: None, inner: inner(input) };
        attr::each_key(ctxt, &input.attrs, "aggregate_id", &ON_STRUCT, &mut |key, value| id.take(key, value));
        id
    }

    fn take(&mut self, key: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        match key.unraw().to_string().as_str() {
            "no_display" => self.no_display = Some(attr::flag(key, value)?),
            _ => self.krate = attr::module(key, value)?.into(),
        }
        Ok(())
    }
}

fn inner(input: &DeriveInput) -> Option<(Member, &Field)> {
    let Data::Struct(data) = &input.data else { return None };
    only(&data.fields)
}

fn only(fields: &Fields) -> Option<(Member, &Field)> {
    let mut members = fields.members().zip(fields.iter());
    members.next().filter(|_| members.next().is_none())
}
