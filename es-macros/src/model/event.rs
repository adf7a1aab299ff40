//! A set of events.

use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitInt, LitStr, Path, Token, Type};

use crate::attr::{self, Keys, Number, Seen};
use crate::case::snake_case;
use crate::crate_path::CratePath;
use crate::ctxt::Ctxt;

const ON_ENUM: Keys = Keys {
    place: "`#[event(…)]` on an enum",
    known: &["category", "union", "crate"],
    repeatable: &[],
    elsewhere: &[
        ("rename", "on a variant"),
        ("alias", "on a variant"),
        ("version", "on a variant"),
        ("upcast", "on a variant"),
    ],
};

const ON_VARIANT: Keys = Keys {
    place: "`#[event(…)]` on a variant",
    known: &["rename", "alias", "version", "upcast"],
    repeatable: &["alias"],
    elsewhere: &[("category", "on the enum"), ("union", "on the enum"), ("crate", "on the enum")],
};

const ON_STRUCT: Keys = Keys {
    place: "`#[event(…)]` on a struct",
    known: &["category", "rename", "alias", "version", "upcast", "crate"],
    repeatable: &["alias"],
    elsewhere: &[("union", "on an enum")],
};

/// What is stored in a signed 32-bit column.
const MAX_SCHEMA_VERSION: u64 = i32::MAX as u64;

/// An enum of events, a struct that is an event by itself, or a union of other sets.
pub(crate) struct Event<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: CratePath,
    pub(crate) category: Option<LitStr>,
    /// The word `union`, if it is there.
    pub(crate) union: Option<Ident>,
    pub(crate) seen: Seen,
    /// The variants, or the one struct.
    pub(crate) types: Vec<EventType<'a>>,
}

/// One type of event.
pub(crate) struct EventType<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) attrs: &'a [Attribute],
    pub(crate) fields: &'a Fields,
    pub(crate) rename: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) version: Option<Number>,
    pub(crate) upcasts: Vec<Step>,
    pub(crate) seen: Seen,
}

/// `1 = path::to_function` in `upcast(…)`.
pub(crate) struct Step {
    pub(crate) from: Number,
    pub(crate) function: Path,
}

impl<'a> Event<'a> {
    pub(crate) fn read(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let mut event = Self {
            input,
            krate: CratePath::default(),
            category: None,
            union: None,
            seen: Seen::default(),
            types: Vec::new(),
        };
        match &input.data {
            Data::Enum(data) => {
                event.seen =
                    attr::each_key(ctxt, &input.attrs, "event", &ON_ENUM, &mut |key, value| event.take(key, value));
                event.types = data
                    .variants
                    .iter()
                    .map(|variant| EventType::read(ctxt, &variant.ident, &variant.attrs, &variant.fields))
                    .collect();
            }
            Data::Struct(data) => {
                let mut only = EventType::new(&input.ident, &input.attrs, &data.fields);
                let seen = attr::each_key(ctxt, &input.attrs, "event", &ON_STRUCT, &mut |key, value| {
                    if key == "category" || key == "crate" { event.take(key, value) } else { only.take(key, value) }
                });
                event.seen = seen.clone();
                only.seen = seen;
                event.types.push(only);
            }
            Data::Union(_) => {}
        }
        event
    }

    fn take(&mut self, key: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        match key.unraw().to_string().as_str() {
            "category" => self.category = Some(attr::string(key, value)?),
            "union" => self.union = Some(attr::flag(key, value)?),
            _ => self.krate = attr::module(key, value)?.into(),
        }
        Ok(())
    }

    pub(crate) fn is_struct(&self) -> bool {
        matches!(self.input.data, Data::Struct(_))
    }

    pub(crate) fn category(&self) -> String {
        self.category.as_ref().map(LitStr::value).unwrap_or_default()
    }

    /// The inner type of each variant, when every variant is a newtype around a named type, and none is there twice:
    /// only then does the inner type tell which variant is meant.
    pub(crate) fn composed_of(&self) -> Option<Vec<&'a Type>> {
        let inner: Vec<_> = self
            .types
            .iter()
            .map(|variant| variant.newtype().filter(|inner| is_named(inner)))
            .collect::<Option<_>>()?;
        (!self.is_struct() && !inner.is_empty() && all_different(&inner)).then_some(inner)
    }
}

/// A type that comes out of a `macro_rules!` macro has an invisible group around it.
fn is_named(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_named(&group.elem),
        ty => matches!(ty, Type::Path(_)),
    }
}

fn all_different(types: &[&Type]) -> bool {
    let mut texts: Vec<_> = types.iter().map(|ty| ty.to_token_stream().to_string()).collect();
    texts.sort_unstable();
    texts.windows(2).all(|pair| pair.first() != pair.last())
}

impl<'a> EventType<'a> {
    fn new(ident: &'a Ident, attrs: &'a [Attribute], fields: &'a Fields) -> Self {
        Self {
            ident,
            attrs,
            fields,
            rename: None,
            aliases: Vec::new(),
            version: None,
            upcasts: Vec::new(),
            seen: Seen::default(),
        }
    }

    fn read(ctxt: &Ctxt, ident: &'a Ident, attrs: &'a [Attribute], fields: &'a Fields) -> Self {
        let mut event_type = Self::new(ident, attrs, fields);
        event_type.seen =
            attr::each_key(ctxt, attrs, "event", &ON_VARIANT, &mut |key, value| event_type.take(key, value));
        event_type
    }

    fn take(&mut self, key: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        match key.unraw().to_string().as_str() {
            "rename" => self.rename = Some(attr::string(key, value)?),
            "alias" => self.aliases.push(attr::string(key, value)?),
            "version" => self.version = Some(attr::number(key, value, MAX_SCHEMA_VERSION)?),
            _ => self.upcasts = steps(key, value)?,
        }
        Ok(())
    }

    /// The name that new events are stored under.
    pub(crate) fn name(&self, category: &str) -> String {
        match &self.rename {
            Some(name) => name.value(),
            None => format!("{category}.{}", snake_case(&self.ident.unraw().to_string())),
        }
    }

    /// The type inside, if there is exactly one field, without a name.
    pub(crate) fn newtype(&self) -> Option<&'a Type> {
        match self.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| &field.ty),
            _ => None,
        }
    }
}

fn steps(key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Step>> {
    let content = attr::parenthesized(key, input)?;
    let steps = content.parse_terminated(step, Token![,]);
    let _ = content.parse::<proc_macro2::TokenStream>();
    Ok(steps?.into_iter().collect())
}

fn step(input: ParseStream<'_>) -> syn::Result<Step> {
    let usage = "`upcast` takes steps: `upcast(1 = path::from_1_to_2, 2 = path::from_2_to_3)`";
    let span = input.span();
    let from: LitInt = input.parse().map_err(|_| syn::Error::new(span, usage))?;
    input.parse::<Token![=]>().map_err(|_| syn::Error::new(from.span(), usage))?;
    let span = input.span();
    let function = input.parse().map_err(|_| syn::Error::new(span, usage))?;
    Ok(Step { from: attr::checked_number(from, MAX_SCHEMA_VERSION)?, function })
}
