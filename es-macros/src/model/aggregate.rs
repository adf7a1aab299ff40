//! An aggregate: what identifies it, what happens to it, and when snapshots are taken.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{DeriveInput, Ident, Path, Type};

use crate::attr::{self, Keys, Number, Seen};
use crate::crate_path::CratePath;
use crate::ctxt::Ctxt;

const ON_TYPE: Keys = Keys {
    place: "`#[aggregate(…)]`",
    known: &["id", "event", "apply", "snapshot", "cached", "one_at_a_time", "crate"],
    repeatable: &[],
    elsewhere: &[],
};

const IN_SNAPSHOT: Keys = Keys {
    place: "`snapshot(…)`",
    known: &["every", "slower_than_ms", "when", "version"],
    repeatable: &[],
    elsewhere: &[],
};

pub(crate) struct Aggregate<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: CratePath,
    pub(crate) id: Option<Type>,
    pub(crate) event: Option<Type>,
    pub(crate) apply: Option<Path>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) cached: Option<Span>,
    pub(crate) one_at_a_time: Option<Span>,
    pub(crate) seen: Seen,
}

/// `snapshot(…)`.
pub(crate) struct Snapshot {
    pub(crate) key: Ident,
    /// Each with the word that names it. One is right.
    pub(crate) policies: Vec<(Ident, Policy)>,
    pub(crate) version: Option<Number>,
    pub(crate) seen: Seen,
}

pub(crate) enum Policy {
    Every(Number),
    SlowerThanMs(Number),
    When(Path),
}

impl<'a> Aggregate<'a> {
    pub(crate) fn read(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let mut aggregate = Self {
            input,
            krate: CratePath::default(),
            id: None,
            event: None,
            apply: None,
            snapshot: None,
            cached: None,
            one_at_a_time: None,
            seen: Seen::default(),
        };
        aggregate.seen = attr::each_key(ctxt, &input.attrs, "aggregate", &ON_TYPE, &mut |key, value| {
            aggregate.take(ctxt, key, value)
        });
        aggregate
    }

    fn take(&mut self, ctxt: &Ctxt, key: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        match key.unraw().to_string().as_str() {
            "id" => self.id = Some(attr::ty(key, value)?),
            "event" => self.event = Some(attr::ty(key, value)?),
            "apply" => self.apply = Some(attr::function(key, value)?),
            "cached" => self.cached = Some(key.span()),
            "one_at_a_time" => self.one_at_a_time = Some(key.span()),
            "snapshot" => self.snapshot = Some(Snapshot::read(ctxt, key, value)?),
            _ => self.krate = attr::module(key, value)?.into(),
        }
        Ok(())
    }
}

impl Snapshot {
    fn read(ctxt: &Ctxt, key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let mut snapshot = Self { key: key.clone(), policies: Vec::new(), version: None, seen: Seen::default() };
        snapshot.seen =
            attr::each_nested_key(ctxt, key, input, &IN_SNAPSHOT, &mut |key, value| snapshot.take(key, value))?;
        Ok(snapshot)
    }

    fn take(&mut self, key: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        let policy = match key.unraw().to_string().as_str() {
            "every" => Policy::Every(attr::number(key, value, u64::MAX)?),
            "slower_than_ms" => Policy::SlowerThanMs(attr::number(key, value, u64::MAX)?),
            "when" => Policy::When(attr::function(key, value)?),
            _ => {
                self.version = Some(attr::number(key, value, u64::from(u32::MAX))?);
                return Ok(());
            }
        };
        self.policies.push((key.clone(), policy));
        Ok(())
    }
}
