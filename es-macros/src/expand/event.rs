//! `Event`, and what follows from the shape of the set.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, Type};

use crate::expand::{moved, shown_at};
use crate::model::{Event, EventType};

pub(crate) fn event(event: &Event<'_>) -> TokenStream {
    let implementation = match event {
        Event { union: Some(_), .. } => union(event),
        event if event.is_struct() => of_struct(event),
        event => of_enum(event),
    };
    let conversions = conversions(event);
    quote!(#implementation #conversions)
}

fn of_enum(event: &Event<'_>) -> TokenStream {
    let krate = &event.krate;
    let category = event.category();
    let variants = event.types.iter().map(|variant| variant.ident);
    let variant_indices = (0..event.types.len()).map(Literal::usize_unsuffixed);
    let type_indices = (0..event.types.len()).map(Literal::usize_unsuffixed);
    let names = event.types.iter().map(|variant| {
        let (name, aliases) = (variant.name(&category), &variant.aliases);
        quote!(#name #(| #aliases)*)
    });
    let encode = call(event, &quote!(encode_variant(self, <Self as #krate::Event>::event_type(self))));
    let decode = call(event, &quote!(decode_variant(__stored, __type, __index)));
    let body = quote! {
        fn event_type(&self) -> &'static #krate::EventType {
            let __index = match self {
                #(Self::#variants { .. } => #variant_indices,)*
            };
            &<Self as #krate::Event>::TYPES[__index]
        }

        fn encode(&self) -> ::core::result::Result<::std::string::String, #krate::EncodeError> {
            #encode
        }

        fn decode(
            __stored: #krate::EncodedEvent<'_>,
        ) -> ::core::result::Result<Self, #krate::DecodeError> {
            if __stored.category != #category {
                return #krate::__private::unknown_type(__stored);
            }
            let __index: ::core::primitive::u32 = match __stored.event_type {
                #(#names => #type_indices,)*
                _ => return #krate::__private::unknown_type(__stored),
            };
            let __type = &<Self as #krate::Event>::TYPES[__index as ::core::primitive::usize];
            #decode
        }
    };
    of_category(event, &body)
}

fn of_struct(event: &Event<'_>) -> TokenStream {
    let krate = &event.krate;
    let encode = call(event, &quote!(encode_struct(self, <Self as #krate::Event>::event_type(self))));
    let decode = call(event, &quote!(decode_struct(__stored, &<Self as #krate::Event>::TYPES[0])));
    let body = quote! {
        fn event_type(&self) -> &'static #krate::EventType {
            &<Self as #krate::Event>::TYPES[0]
        }

        fn encode(&self) -> ::core::result::Result<::std::string::String, #krate::EncodeError> {
            #encode
        }

        fn decode(
            __stored: #krate::EncodedEvent<'_>,
        ) -> ::core::result::Result<Self, #krate::DecodeError> {
            if !#krate::__private::owns(<Self as #krate::Event>::TYPES, __stored) {
                return #krate::__private::unknown_type(__stored);
            }
            #decode
        }
    };
    of_category(event, &body)
}

/// A call of a helper, shown at the type's name, where the missing serde derives belong.
fn call(event: &Event<'_>, helper: &TokenStream) -> TokenStream {
    let (krate, span) = (&event.krate, event.input.ident.span());
    let call = quote!(#krate::__private::#helper);
    moved(call, span)
}

fn of_category(event: &Event<'_>, body: &TokenStream) -> TokenStream {
    let Event { krate, input, .. } = event;
    let ident = &input.ident;
    let category = event.category();
    let types = event.types.iter().map(|event_type| event_type_value(event, event_type, &category));
    quote! {
        #[automatically_derived]
        impl #krate::Event for #ident {
            const TYPES: &'static [#krate::EventType] = &[#(#types),*];

            #body
        }

        #[automatically_derived]
        impl #krate::AggregateEvent for #ident {
            const CATEGORY: &'static ::core::primitive::str = #category;
        }
    }
}

fn event_type_value(event: &Event<'_>, event_type: &EventType<'_>, category: &str) -> TokenStream {
    let krate = &event.krate;
    let name = event_type.name(category);
    let aliases = &event_type.aliases;
    let mut upcasts: Vec<_> = event_type.upcasts.iter().collect();
    upcasts.sort_by_key(|step| step.from.value);
    let upcasters = upcasts.iter().map(|step| {
        let (function, here) = (&step.function, krate.at(step.function.span()));
        quote_spanned!(shown_at(step.function.span())=> |__value| #here::Upcast::upcast(#function(__value)))
    });
    let with_aliases = (!aliases.is_empty()).then(|| quote!(.with_aliases(&[#(#aliases),*])));
    let with_upcasters = (!upcasts.is_empty()).then(|| quote!(.with_upcasters(&[#(#upcasters),*])));
    quote!(#krate::EventType::new(#category, #name) #with_aliases #with_upcasters)
}

fn union(event: &Event<'_>) -> TokenStream {
    let Event { krate, input, types, .. } = event;
    let ident = &input.ident;
    let members: Vec<_> = types.iter().filter_map(|member| Some((member.ident, member.newtype()?))).collect();
    let sets: Vec<_> = members
        .iter()
        .map(|(_, inner)| {
            let here = krate.at(inner.span());
            quote_spanned!(shown_at(inner.span())=> <#inner as #here::Event>)
        })
        .collect();
    let names: Vec<_> = members.iter().map(|(name, _)| name).collect();
    let apart = (1..members.len()).map(|i| apart(event, &sets, &members, i));
    quote! {
        #(#apart)*

        #[automatically_derived]
        impl #krate::Event for #ident {
            const TYPES: &'static [#krate::EventType] =
                &#krate::__private::concat_types::<{ 0 #(+ #sets::TYPES.len())* }>(&[#(#sets::TYPES),*]);

            fn event_type(&self) -> &'static #krate::EventType {
                match self {
                    #(Self::#names(__event) => #sets::event_type(__event),)*
                }
            }

            fn encode(&self) -> ::core::result::Result<::std::string::String, #krate::EncodeError> {
                match self {
                    #(Self::#names(__event) => #sets::encode(__event),)*
                }
            }

            fn decode(
                __stored: #krate::EncodedEvent<'_>,
            ) -> ::core::result::Result<Self, #krate::DecodeError> {
                #(
                    if #krate::__private::owns(#sets::TYPES, __stored) {
                        return ::core::result::Result::map(#sets::decode(__stored), Self::#names);
                    }
                )*
                #krate::__private::unknown_type(__stored)
            }
        }
    }
}

/// A compile error if a member has an event type in common with one before it: nobody could say whose it is.
fn apart(event: &Event<'_>, sets: &[TokenStream], members: &[(&Ident, &Type)], index: usize) -> TokenStream {
    let (Some((before, _)), Some((name, inner)), Some(set)) =
        (sets.split_at_checked(index), members.get(index), sets.get(index))
    else {
        return TokenStream::new();
    };
    let here = event.krate.at(inner.span());
    let message =
        format!("member `{name}` of this union has an event type, or an alias, that a member before it has too");
    quote_spanned! {shown_at(inner.span())=>
        const _: () = ::core::assert!(!#here::__private::overlap(#set::TYPES, &[#(#before::TYPES),*]), #message);
    }
}

/// What follows from the shape alone, and is therefore there even if an attribute is wrong.
pub(crate) fn conversions(event: &Event<'_>) -> TokenStream {
    match (&event.union, event.composed_of()) {
        (Some(_), Some(inner)) => {
            inner.iter().zip(&event.types).map(|(inner, member)| from(event, member, inner)).collect()
        }
        (Some(_), None) => TokenStream::new(),
        (None, Some(inner)) => composed(event, &inner),
        (None, None) => whole(event),
    }
}

fn from(event: &Event<'_>, variant: &EventType<'_>, inner: &Type) -> TokenStream {
    let (ident, name) = (&event.input.ident, variant.ident);
    quote_spanned! {shown_at(inner.span())=>
        #[automatically_derived]
        impl ::core::convert::From<#inner> for #ident {
            fn from(__event: #inner) -> Self {
                Self::#name(__event)
            }
        }
    }
}

fn composed(event: &Event<'_>, inner: &[&Type]) -> TokenStream {
    let Event { krate, input, types, .. } = event;
    let ident = &input.ident;
    let names = types.iter().map(|variant| variant.ident);
    let each = inner.iter().zip(types).map(|(inner, variant)| {
        let from = from(event, variant, inner);
        let into_events = into_events(event, variant, inner);
        quote!(#from #into_events)
    });
    quote! {
        #(#each)*

        #[automatically_derived]
        impl<__Aggregate> #krate::Dispatch<__Aggregate> for #ident
        where
            __Aggregate: ?::core::marker::Sized #(+ #krate::Apply<#inner>)*,
        {
            fn dispatch(self, __aggregate: &mut __Aggregate) {
                match self {
                    #(Self::#names(__event) => #krate::Apply::apply(__aggregate, __event),)*
                }
            }
        }
    }
}

fn into_events(event: &Event<'_>, variant: &EventType<'_>, inner: &Type) -> TokenStream {
    let (ident, name) = (&event.input.ident, variant.ident);
    let here = event.krate.at(inner.span());
    quote_spanned! {shown_at(inner.span())=>
        #[automatically_derived]
        impl #here::IntoEvents<#ident> for #inner {
            fn append_to(self, __events: &mut ::std::vec::Vec<#ident>) {
                __events.push(#ident::#name(self));
            }
        }
    }
}

fn whole(event: &Event<'_>) -> TokenStream {
    let Event { krate, input, .. } = event;
    let ident = &input.ident;
    quote! {
        #[automatically_derived]
        impl<__Aggregate: #krate::Apply<Self> + ?::core::marker::Sized> #krate::Dispatch<__Aggregate> for #ident {
            fn dispatch(self, __aggregate: &mut __Aggregate) {
                #krate::Apply::apply(__aggregate, self);
            }
        }
    }
}
