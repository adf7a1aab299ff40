//! Sees to it that a path like `Account::apply` names the user's own function.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Generics, Path};

use crate::expand::shown_at;

/// If `owner` has no inherent function of the name, `Owner::method` is the trait's method, which is being implemented
/// with it: an endless recursion. The trait written here is in scope for the call only and has a method of that name for
/// `owner`: an inherent function goes before it, but the trait's method cannot be meant without ambiguity any more, and
/// so there is a compile error instead.
///
/// An item inside a function cannot use the generics around it: `generics` are those of `owner`, declared again.
pub(super) fn must_be_inherent(
    path: &Path,
    method: &str,
    generics: &Generics,
    owner: &impl ToTokens,
) -> Option<TokenStream> {
    let last = path.segments.last().filter(|last| last.ident == method && path.segments.len() > 1)?;
    let name = &last.ident;
    let (generics, _, bounds) = generics.split_for_impl();
    let written_here = quote_spanned! {shown_at(path.span())=>
        trait NoSuchInherentFunction {
            fn #name(&self) {}
        }
    };
    Some(quote! {
        #[allow(dead_code)]
        #written_here
        impl #generics NoSuchInherentFunction for #owner #bounds {}
    })
}
