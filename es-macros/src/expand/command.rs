//! `Command`, and `Handle` if the deciding function is named.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Generics, Member, Path, Type};

use crate::expand::inherent::must_be_inherent;
use crate::expand::shown_at;
use crate::model::{Command, Target};

pub(crate) fn command(command: &Command<'_>) -> TokenStream {
    let Command { input, krate, aggregate, .. } = command;
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let id = if command.is_enum() { id_of_enum(command) } else { id_of_struct(command) };
    let handle = match (&command.aggregate, &command.handle, &command.error) {
        (Some(aggregate), Some((_, path)), Some((_, error))) => handle(command, aggregate, path, error),
        _ => TokenStream::new(),
    };
    quote! {
        #[automatically_derived]
        impl #generics #krate::Command for #ident #arguments #bounds {
            type Aggregate = #aggregate;

            fn aggregate_id(&self) -> &<Self::Aggregate as #krate::Aggregate>::Id {
                #id
            }
        }

        #handle
    }
}

fn id_of_struct(command: &Command<'_>) -> TokenStream {
    command.targets.iter().filter_map(Target::id).map(|id| quote_spanned!(shown_at(span(id))=> &self.#id)).collect()
}

fn id_of_enum(command: &Command<'_>) -> TokenStream {
    let arms = command.targets.iter().map(|target| {
        let (variant, id) = (target.ident, target.id());
        let found = id.map(|id| quote_spanned!(shown_at(span(id))=> __id));
        quote!(Self::#variant { #id: #found, .. } => #found,)
    });
    quote! {
        match self {
            #(#arms)*
        }
    }
}

fn span(member: &Member) -> proc_macro2::Span {
    match member {
        Member::Named(name) => name.span(),
        Member::Unnamed(index) => index.span,
    }
}

fn handle(command: &Command<'_>, aggregate: &Type, path: &Path, error: &Type) -> TokenStream {
    let Command { input, krate, .. } = command;
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let inherent = must_be_inherent(path, "handle", &Generics::default(), aggregate);
    let here = krate.at(path.span());
    let events = quote_spanned!(shown_at(path.span())=> impl #here::IntoEvents<<Self as #here::Aggregate>::Event>);
    let call = quote_spanned!(shown_at(path.span())=> #path(self, __command, __context));
    quote! {
        #[automatically_derived]
        impl #generics #krate::Handle<#ident #arguments> for #aggregate #bounds {
            type Error = #error;

            fn handle(
                &self,
                __command: #ident #arguments,
                __context: &#krate::Context,
            ) -> ::core::result::Result<#events, #error> {
                #inherent
                #call
            }
        }
    }
}
