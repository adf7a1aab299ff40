//! `AggregateId`, and the text forms that follow from it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use crate::expand::shown_at;
use crate::model::AggregateId;

pub(crate) fn aggregate_id(id: &AggregateId<'_>) -> TokenStream {
    let AggregateId { input, krate, inner, .. } = id;
    let (ident, name) = (&input.ident, input.ident.unraw().to_string());
    let inner = inner.as_ref().map(|(member, field)| (member, &field.ty));
    let (member, ty) = (inner.map(|(member, _)| member), inner.map(|(_, ty)| ty));
    let here = krate.at(ty.map_or_else(|| ident.span(), syn::spanned::Spanned::span));
    let inner_id = quote_spanned!(shown_at(ty.span())=> <#ty as #here::AggregateId>);
    let show = quote!(#inner_id::to_text(&self.#member));
    let read = quote! {
        match #inner_id::from_text(__text) {
            ::core::result::Result::Ok(__inner) => ::core::result::Result::Ok(Self { #member: __inner }),
            ::core::result::Result::Err(_) => {
                ::core::result::Result::Err(#krate::InvalidId::new(#name, __text))
            }
        }
    };
    let texts = text_forms(id, &quote!(__f.pad(&#show)), &read);
    quote! {
        #[automatically_derived]
        impl #krate::AggregateId for #ident {
            fn to_text(&self) -> #krate::__private::Cow<'_, ::core::primitive::str> {
                #show
            }

            fn from_text(
                __text: &::core::primitive::str,
            ) -> ::core::result::Result<Self, #krate::InvalidId> {
                #read
            }
        }

        #texts
    }
}

/// `Display` and `FromStr`. They do not call `AggregateId`: if that lacks `Clone` or `Debug`, it is said once.
pub(crate) fn text_forms(id: &AggregateId<'_>, show: &TokenStream, read: &TokenStream) -> TokenStream {
    let AggregateId { input, krate, .. } = id;
    let ident = &input.ident;
    if id.no_display.is_some() {
        return TokenStream::new();
    }
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #show
            }
        }

        #[automatically_derived]
        impl ::core::str::FromStr for #ident {
            type Err = #krate::InvalidId;

            fn from_str(
                __text: &::core::primitive::str,
            ) -> ::core::result::Result<Self, #krate::InvalidId> {
                #read
            }
        }
    }
}
