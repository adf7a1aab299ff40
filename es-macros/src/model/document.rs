//! A document: what it is called, which events change it, and how.

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{DeriveInput, Ident, LitStr, Type};

use crate::attr::{self, Function, Keys, Number, Seen};
use crate::case::snake_case;
use crate::crate_path::CratePath;
use crate::ctxt::Ctxt;

const ON_TYPE: Keys = Keys {
    place: "`#[document(…)]`",
    known: &["event", "name", "version", "key", "apply", "apply_as", "deleted", "indexed", "crate"],
    repeatable: &[],
    elsewhere: &[],
};

pub(crate) struct Document<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: CratePath,
    pub(crate) event: Option<Type>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<Number>,
    pub(crate) key: Option<Function>,
    /// One of these two is right.
    pub(crate) apply: Option<Function>,
    pub(crate) apply_as: Option<(Ident, Function)>,
    pub(crate) deleted: Option<Function>,
    /// The word `indexed`, and what is in its list.
    pub(crate) indexed: Option<(Ident, Vec<LitStr>)>,
    pub(crate) seen: Seen,
}

impl<'a> Document<'a> {
    pub(crate) fn read(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let mut document = Self {
            input,
            krate: CratePath::default(),
            event: None,
            name: None,
            version: None,
            key: None,
            apply: None,
            apply_as: None,
            deleted: None,
            indexed: None,
            seen: Seen::default(),
        };
        document.seen =
            attr::each_key(ctxt, &input.attrs, "document", &ON_TYPE, &mut |key, value| document.take(key, value));
        document
    }

    fn take(&mut self, key: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        match key.unraw().to_string().as_str() {
            "event" => self.event = Some(attr::ty(key, value)?),
            "name" => self.name = Some(attr::string(key, value)?),
            "version" => self.version = Some(attr::number(key, value, u64::from(u32::MAX))?),
            "key" => self.key = Some(attr::function_or_closure(key, value)?),
            "apply" => self.apply = Some(attr::function_or_closure(key, value)?),
            "apply_as" => self.apply_as = Some((key.clone(), attr::function_or_closure(key, value)?)),
            "deleted" => self.deleted = Some(attr::function_or_closure(key, value)?),
            "indexed" => self.indexed = Some((key.clone(), attr::strings(key, value)?)),
            _ => self.krate = attr::module(key, value)?.into(),
        }
        Ok(())
    }

    /// The name that the documents are stored under.
    pub(crate) fn name(&self) -> String {
        match &self.name {
            Some(name) => name.value(),
            None => snake_case(&self.input.ident.unraw().to_string()),
        }
    }
}
