//! The names at the top of a struct's JSON, as far as serde's attributes tell them.

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Token};

use crate::attr;
use crate::case;

/// A field of a struct.
pub(crate) struct JsonField {
    pub(crate) name: String,
    /// Its name in the JSON, unless it is left out there.
    pub(crate) written: Option<String>,
}

impl JsonField {
    /// The fields that the JSON of a struct can have. `None` where they cannot be known: only a struct with named fields
    /// is an object by itself, and some of serde's attributes put something else in its place, or more fields beside it.
    pub(crate) fn all(input: &DeriveInput) -> Option<Vec<Self>> {
        let Data::Struct(data) = &input.data else { return None };
        let Fields::Named(fields) = &data.fields else { return None };
        let object = Object::read(&input.attrs)?;
        let fields = fields.named.iter().map(|field| Self::read(field, object.rename_all.as_deref()));
        let tag = object.tag.map(|tag| Some(Self { name: tag.clone(), written: Some(tag) }));
        fields.chain(tag).collect()
    }

    fn read(field: &Field, rename_all: Option<&str>) -> Option<Self> {
        let name = field.ident.as_ref()?.unraw().to_string();
        let (mut known, mut skipped, mut renamed) = (true, false, None);
        each_key(&field.attrs, &mut |key, value| {
            match key {
                "flatten" => known = false,
                "skip" | "skip_serializing" => skipped = true,
                "rename" => renamed = serialized(value)?.or(renamed.take()),
                _ => {}
            }
            Ok(())
        })?;
        let written = match (renamed, rename_all) {
            (Some(renamed), _) => renamed,
            (None, Some(rule)) => case::of_field(rule, &name)?,
            (None, None) => name.clone(),
        };
        known.then_some(Self { name, written: (!skipped).then_some(written) })
    }
}

/// What serde's attributes on a struct say about its names.
#[derive(Default)]
struct Object {
    rename_all: Option<String>,
    tag: Option<String>,
}

impl Object {
    fn read(attrs: &[Attribute]) -> Option<Self> {
        let (mut object, mut known) = (Self::default(), true);
        each_key(attrs, &mut |key, value| {
            match key {
                "transparent" | "into" | "remote" => known = false,
                "rename_all" => object.rename_all = serialized(value)?.or(object.rename_all.take()),
                "tag" => object.tag = serialized(value)?,
                _ => {}
            }
            Ok(())
        })?;
        known.then_some(object)
    }
}

/// Hands each key of serde's attributes to `take`. `None` for what cannot be read: serde itself judges it.
fn each_key(attrs: &[Attribute], take: &mut dyn FnMut(&str, ParseStream<'_>) -> syn::Result<()>) -> Option<()> {
    let mut each_key_in = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            take(&key.to_string(), input)?;
            attr::skip_value(input);
            let _ = input.parse::<Token![,]>();
        }
        Ok(())
    };
    let mut of_serde = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    of_serde.try_for_each(|attr| attr.parse_args_with(&mut each_key_in)).ok()
}

/// The text of `= "text"`, or of `(serialize = "text")`, which may be missing there.
fn serialized(input: ParseStream<'_>) -> syn::Result<Option<String>> {
    if !input.peek(syn::token::Paren) {
        input.parse::<Token![=]>()?;
        return Ok(Some(input.parse::<LitStr>()?.value()));
    }
    let content;
    syn::parenthesized!(content in input);
    let mut text = None;
    while !content.is_empty() {
        let key = content.call(Ident::parse_any)?;
        content.parse::<Token![=]>()?;
        let value = content.parse::<LitStr>()?.value();
        if key == "serialize" {
            text = Some(value);
        }
        let _ = content.parse::<Token![,]>();
    }
    Ok(text)
}
