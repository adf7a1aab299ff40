//! What the derives call. Not for anybody else: it changes without notice.

use std::marker::PhantomData;

use crate::cache::Caching;
use crate::document::{Document, IntoKeys};
use crate::recorded::Recorded;

pub use crate::codec::{
    concat_types, decode_struct, decode_variant, encode_struct, encode_variant, overlap, owns, unknown_type,
};
pub use serde_json::Value;
pub use std::borrow::Cow;

/// The JSON of what a store's own tables keep, by the rules of events and documents: numbers that are not finite are refused.
pub fn to_json<T: ?Sized + serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    crate::codec::to_json(value)
}

/// Calls a closure that names documents, and gives the compiler the type of its parameter before it reads the closure.
pub fn keys<'e, E, K: IntoKeys>(event: &'e Recorded<E>, key: impl FnOnce(&'e Recorded<E>) -> K) -> K {
    key(event)
}

/// `apply` of a document that needs its key: the first key of the event. Of an event without keys it takes nothing in.
pub fn apply_as_the_first<D: Document>(document: &mut D, event: &Recorded<D::Event>) {
    if let Some(first) = D::key(event).into_keys().first() {
        document.apply_as(first, event);
    }
}

/// Finds out whether a state can be copied, for the default of [`Aggregate::caching`](crate::Aggregate::caching). The compiler looks for a
/// method of the type before it looks for one of a reference to it, so `(&State::<A>::HERE).caching()` is the first of the two where it
/// is there.
#[derive(Debug)]
pub struct State<A>(PhantomData<A>);

impl<A> State<A> {
    pub const HERE: Self = Self(PhantomData);
}

/// A state that can be copied.
pub trait Copied<A> {
    fn caching(&self) -> Caching<A>;
}

impl<A: Clone> Copied<A> for State<A> {
    fn caching(&self) -> Caching<A> {
        Caching::while_busy()
    }
}

/// Any other.
pub trait Loaded<A> {
    fn caching(&self) -> Caching<A>;
}

impl<A> Loaded<A> for &State<A> {
    fn caching(&self) -> Caching<A> {
        Caching::never()
    }
}
