//! Implementations that only satisfy the type checker, for a derive that failed: so that one mistake gives one message,
//! and not another one wherever the type is used.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput};

use crate::expand;
use crate::model::{Aggregate, AggregateId, Command, Document, Event};

pub(crate) fn event(event: &Event<'_>) -> TokenStream {
    let Event { input, krate, .. } = event;
    // Generics make everything that follows from the shape uncertain; an empty set is certain enough.
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let ident = &input.ident;
    let conversions = expand::conversions(event);
    quote! {
        #[automatically_derived]
        impl #krate::Event for #ident {
            const TYPES: &'static [#krate::EventType] = &[];

            fn event_type(&self) -> &'static #krate::EventType {
                ::core::unreachable!()
            }

            fn encode(&self) -> ::core::result::Result<::std::string::String, #krate::EncodeError> {
                ::core::unreachable!()
            }

            fn decode(_: #krate::EncodedEvent<'_>) -> ::core::result::Result<Self, #krate::DecodeError> {
                ::core::unreachable!()
            }
        }

        #[automatically_derived]
        impl #krate::AggregateEvent for #ident {
            const CATEGORY: &'static ::core::primitive::str = "";
        }

        #conversions
    }
}

/// Without its id or its event nothing can be said of an aggregate.
pub(crate) fn aggregate(aggregate: &Aggregate<'_>) -> TokenStream {
    let Aggregate { input, krate, id: Some(id), event: Some(event), .. } = aggregate else {
        return TokenStream::new();
    };
    if cannot_have_the_trait(input) {
        return TokenStream::new();
    }
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #generics #krate::Aggregate for #ident #arguments #bounds {
            type Id = #id;
            type Event = #event;

            fn apply(&mut self, _: #event) {}
        }
    }
}

/// A stub would only add that the type does not live long enough, or has no `Default` or `Clone`.
fn cannot_have_the_trait(input: &DeriveInput) -> bool {
    matches!(input.data, Data::Union(_)) || input.generics.lifetimes().next().is_some()
}

pub(crate) fn command(command: &Command<'_>) -> TokenStream {
    let Command { input, krate, aggregate: Some(aggregate), .. } = command else {
        return TokenStream::new();
    };
    if cannot_have_the_trait(input) {
        return TokenStream::new();
    }
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #generics #krate::Command for #ident #arguments #bounds {
            type Aggregate = #aggregate;

            fn aggregate_id(&self) -> &<#aggregate as #krate::Aggregate>::Id {
                ::core::unreachable!()
            }
        }
    }
}

/// Without its events nothing can be said of a document.
pub(crate) fn document(document: &Document<'_>) -> TokenStream {
    let Document { input, krate, event: Some(event), .. } = document else {
        return TokenStream::new();
    };
    if cannot_have_the_trait(input) {
        return TokenStream::new();
    }
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #generics #krate::Document for #ident #arguments #bounds {
            const NAME: &'static ::core::primitive::str = "";
            type Event = #event;

            fn key(_: &#krate::Recorded<#event>) -> impl #krate::IntoKeys {}

            fn apply(&mut self, _: &#krate::Recorded<#event>) {}
        }
    }
}

pub(crate) fn aggregate_id(id: &AggregateId<'_>) -> TokenStream {
    let AggregateId { input, krate, .. } = id;
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let ident = &input.ident;
    let unreachable = quote!(::core::unreachable!());
    let texts = expand::text_forms(id, &unreachable, &unreachable);
    quote! {
        #[automatically_derived]
        impl #krate::AggregateId for #ident {
            fn to_text(&self) -> #krate::__private::Cow<'_, ::core::primitive::str> {
                ::core::unreachable!()
            }

            fn from_text(_: &::core::primitive::str) -> ::core::result::Result<Self, #krate::InvalidId> {
                ::core::unreachable!()
            }
        }

        #texts
    }
}
