//! `Aggregate`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::expand::inherent::must_be_inherent;
use crate::expand::shown_at;
use crate::model::{Aggregate, Policy, Snapshot};

pub(crate) fn aggregate(aggregate: &Aggregate<'_>) -> TokenStream {
    let Aggregate { input, krate, id, event, .. } = aggregate;
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let apply = apply(aggregate);
    let snapshots = aggregate.snapshot.as_ref().map(|snapshot| snapshots(aggregate, snapshot));
    let caching = caching(aggregate);
    quote! {
        #[automatically_derived]
        impl #generics #krate::Aggregate for #ident #arguments #bounds {
            type Id = #id;
            type Event = #event;

            fn apply(&mut self, __event: #event) {
                #apply
            }

            #snapshots
            #caching
        }
    }
}

fn apply(aggregate: &Aggregate<'_>) -> TokenStream {
    let Aggregate { input, krate, event, .. } = aggregate;
    let Some(path) = &aggregate.apply else {
        let span = event.as_ref().map_or_else(|| input.ident.span(), |event| event.span());
        let here = krate.at(span);
        return quote_spanned!(shown_at(span)=> #here::Dispatch::dispatch(__event, self));
    };
    let (ident, (_, arguments, _)) = (&input.ident, input.generics.split_for_impl());
    let inherent = must_be_inherent(path, "apply", &input.generics, &quote!(#ident #arguments));
    let call = quote_spanned!(shown_at(path.span())=> #path(self, __event));
    quote!(#inherent #call)
}

fn snapshots(aggregate: &Aggregate<'_>, snapshot: &Snapshot) -> TokenStream {
    let krate = &aggregate.krate;
    let policy = snapshot.policies.first().map(|(key, policy)| {
        let here = krate.at(key.span());
        match policy {
            Policy::Every(events) => {
                let events = &events.literal;
                quote_spanned!(shown_at(key.span())=> #here::Snapshots::every(#events))
            }
            Policy::SlowerThanMs(limit) => {
                let limit = &limit.literal;
                quote_spanned!(shown_at(key.span())=> #here::Snapshots::slower_than(::core::time::Duration::from_millis(#limit)))
            }
            Policy::When(predicate) => quote_spanned!(shown_at(key.span())=> #here::Snapshots::when(#predicate)),
        }
    });
    let version = snapshot.version.as_ref().map(|version| {
        let version = &version.literal;
        quote!(.state_version(#version))
    });
    quote! {
        fn snapshots() -> #krate::Snapshots<Self> {
            #policy #version
        }
    }
}

/// Where `cached` stands, a state that cannot be cloned is a mistake. Where it does not, such a state is loaded for each command.
fn caching(aggregate: &Aggregate<'_>) -> TokenStream {
    let krate = &aggregate.krate;
    let caching = match (aggregate.cached, aggregate.one_at_a_time) {
        (Some(key), None) => cloned(aggregate, key),
        (Some(key), Some(_)) => {
            let cloned = cloned(aggregate, key);
            quote!(#cloned.one_at_a_time())
        }
        (None, Some(_)) => quote!(#krate::Caching::never()),
        (None, None) => quote! {{
            #[allow(unused_imports)]
            use #krate::__private::{Copied as _, Loaded as _};
            (&#krate::__private::State::<Self>::HERE).caching()
        }},
    };
    quote! {
        fn caching() -> #krate::Caching<Self> {
            #caching
        }
    }
}

fn cloned(aggregate: &Aggregate<'_>, key: Span) -> TokenStream {
    let here = aggregate.krate.at(key);
    quote_spanned!(shown_at(key)=> #here::Caching::cloned())
}
