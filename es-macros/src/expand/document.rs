//! `Document`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::attr::Function;
use crate::expand::inherent::must_be_inherent;
use crate::expand::{moved, shown_at};
use crate::model::Document;

pub(crate) fn document(document: &Document<'_>) -> TokenStream {
    let Document { input, krate, event, .. } = document;
    let (ident, name) = (&input.ident, document.name());
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let constants = constants(document);
    let (key, apply, deleted) = (key(document), apply(document), deleted(document));
    quote! {
        #[automatically_derived]
        impl #generics #krate::Document for #ident #arguments #bounds {
            const NAME: &'static ::core::primitive::str = #name;
            #constants
            type Event = #event;

            #key

            #apply

            #deleted
        }
    }
}

fn constants(document: &Document<'_>) -> TokenStream {
    let version = document.version.as_ref().map(|version| {
        let version = &version.literal;
        quote!(const VERSION: ::core::primitive::u32 = #version;)
    });
    let indexed = document
        .indexed
        .as_ref()
        .map(|(_, names)| quote!(const INDEXED: &'static [&'static ::core::primitive::str] = &[#(#names),*];));
    quote!(#version #indexed)
}

fn key(document: &Document<'_>) -> TokenStream {
    let Document { input, krate, event, .. } = document;
    let span = document.key.as_ref().map_or_else(|| input.ident.span(), |key| key.span());
    let here = krate.at(span);
    let keys = quote_spanned!(shown_at(span)=> impl #here::IntoKeys);
    let call = match &document.key {
        None => quote!(#krate::StreamId::id(&__event.stream)),
        // What a closure returns may borrow from the event, which no type of a pointer can say without naming it.
        Some(Function::Closure(closure)) => quote_spanned!(shown_at(span)=> #here::__private::keys(__event, #closure)),
        Some(function) => call(document, function, "key", &TokenStream::new(), &quote!(__event)),
    };
    quote! {
        fn key(__event: &#krate::Recorded<#event>) -> #keys {
            #call
        }
    }
}

fn apply(document: &Document<'_>) -> TokenStream {
    let Document { krate, event, .. } = document;
    let recorded = quote!(&#krate::Recorded<#event>);
    let Some((_, function)) = &document.apply_as else {
        let signature = quote!(fn(&mut Self, #recorded));
        let call = document
            .apply
            .as_ref()
            .map(|function| call(document, function, "apply", &signature, &quote!(self, __event)));
        return quote! {
            fn apply(&mut self, __event: #recorded) {
                #call
            }
        };
    };
    let text = quote!(&::core::primitive::str);
    let signature = quote!(fn(&mut Self, #text, #recorded));
    let call = call(document, function, "apply_as", &signature, &quote!(self, __key, __event));
    quote! {
        fn apply(&mut self, __event: #recorded) {
            #krate::__private::apply_as_the_first(self, __event);
        }

        fn apply_as(&mut self, __key: #text, __event: #recorded) {
            #call
        }
    }
}

fn deleted(document: &Document<'_>) -> Option<TokenStream> {
    let function = document.deleted.as_ref()?;
    let signature = quote!(fn(&Self) -> ::core::primitive::bool);
    let call = call(document, function, "is_deleted", &signature, &quote!(self));
    Some(quote! {
        fn is_deleted(&self) -> ::core::primitive::bool {
            #call
        }
    })
}

/// Calls what the user named, as the body of `method`. A closure learns the types of its parameters from `signature`.
fn call(
    document: &Document<'_>,
    function: &Function,
    method: &str,
    signature: &TokenStream,
    arguments: &TokenStream,
) -> TokenStream {
    match function {
        Function::Path(path) => {
            let generics = &document.input.generics;
            let (ident, (_, of_type, _)) = (&document.input.ident, generics.split_for_impl());
            let inherent = must_be_inherent(path, method, generics, &quote!(#ident #of_type));
            let (arguments, span) = (moved(arguments.clone(), path.span()), shown_at(path.span()));
            let call = quote_spanned!(span=> #path(#arguments));
            quote!(#inherent #call)
        }
        Function::Closure(closure) => {
            let signature = moved(signature.clone(), function.span());
            quote! {
                let __function: #signature = #closure;
                __function(#arguments)
            }
        }
    }
}
