//! A command: whom it is for, and who decides on it.

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, Member, Path, Type};

use crate::attr::{self, Keys, Seen};
use crate::crate_path::CratePath;
use crate::ctxt::Ctxt;

const ON_TYPE: Keys = Keys {
    place: "`#[command(…)]` on a command",
    known: &["aggregate", "handle", "error", "crate"],
    repeatable: &[],
    elsewhere: &[("id", "on the field that holds the aggregate's id")],
};

const ON_VARIANT: Keys = Keys {
    place: "`#[command(…)]` on a variant",
    known: &[],
    repeatable: &[],
    elsewhere: &[
        ("id", "on the field that holds the aggregate's id"),
        ("aggregate", "on the enum"),
        ("handle", "on the enum"),
        ("error", "on the enum"),
        ("crate", "on the enum"),
    ],
};

const ON_FIELD: Keys = Keys {
    place: "`#[command(…)]` on a field",
    known: &["id"],
    repeatable: &[],
    elsewhere: &[
        ("aggregate", "on the command"),
        ("handle", "on the command"),
        ("error", "on the command"),
        ("crate", "on the command"),
    ],
};

pub(crate) struct Command<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: CratePath,
    pub(crate) aggregate: Option<Type>,
    pub(crate) handle: Option<(Ident, Path)>,
    pub(crate) error: Option<(Ident, Type)>,
    pub(crate) seen: Seen,
    /// The struct, or each variant of the enum.
    pub(crate) targets: Vec<Target<'a>>,
}

/// A struct or a variant, and its fields that may be the id.
pub(crate) struct Target<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) fields: &'a Fields,
    /// The fields marked `#[command(id)]`, each with its mark.
    pub(crate) marked: Vec<(Member, Ident)>,
    /// The field called `id`.
    pub(crate) called_id: Option<Member>,
}

impl<'a> Command<'a> {
    pub(crate) fn read(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let mut command = Self {
            input,
            krate: CratePath::default(),
            aggregate: None,
            handle: None,
            error: None,
            seen: Seen::default(),
            targets: targets(ctxt, input),
        };
        command.seen =
            attr::each_key(ctxt, &input.attrs, "command", &ON_TYPE, &mut |key, value| command.take(key, value));
        command
    }

    fn take(&mut self, key: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        match key.unraw().to_string().as_str() {
            "aggregate" => self.aggregate = Some(attr::ty(key, value)?),
            "handle" => self.handle = Some((key.clone(), attr::function(key, value)?)),
            "error" => self.error = Some((key.clone(), attr::ty(key, value)?)),
            _ => self.krate = attr::module(key, value)?.into(),
        }
        Ok(())
    }

    pub(crate) fn is_enum(&self) -> bool {
        matches!(self.input.data, Data::Enum(_))
    }
}

fn targets<'a>(ctxt: &Ctxt, input: &'a DeriveInput) -> Vec<Target<'a>> {
    match &input.data {
        Data::Struct(data) => vec![Target::read(ctxt, &input.ident, &data.fields)],
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                attr::each_key(ctxt, &variant.attrs, "command", &ON_VARIANT, &mut |_, _| Ok(()));
                Target::read(ctxt, &variant.ident, &variant.fields)
            })
            .collect(),
        Data::Union(_) => Vec::new(),
    }
}

impl<'a> Target<'a> {
    fn read(ctxt: &Ctxt, ident: &'a Ident, fields: &'a Fields) -> Self {
        let members = || fields.iter().zip(fields.members());
        let mark = |(field, member): (&Field, Member)| Some((member, mark(ctxt, &field.attrs)?));
        Self {
            ident,
            fields,
            marked: members().filter_map(mark).collect(),
            called_id: members().find(|(field, _)| is_called_id(field)).map(|(_, member)| member),
        }
    }

    /// The field that holds the id, once the target has been checked.
    pub(crate) fn id(&self) -> Option<&Member> {
        self.marked.first().map(|(member, _)| member).or(self.called_id.as_ref())
    }
}

fn mark(ctxt: &Ctxt, attrs: &[Attribute]) -> Option<Ident> {
    let mut found = None;
    attr::each_key(ctxt, attrs, "command", &ON_FIELD, &mut |key, value| {
        found = Some(attr::flag(key, value)?);
        Ok(())
    });
    found
}

fn is_called_id(field: &Field) -> bool {
    field.ident.as_ref().is_some_and(|ident| ident.unraw() == "id")
}
