//! Where the derives find es-core.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Path;

/// `::es_core`, or what `crate = …` says.
pub(crate) struct CratePath(TokenStream);

impl Default for CratePath {
    fn default() -> Self {
        Self(quote!(::es_core))
    }
}

impl From<Path> for CratePath {
    fn from(path: Path) -> Self {
        Self(path.into_token_stream())
    }
}

impl CratePath {
    /// The same path, shown to the user at `span` when what it leads to does not fit.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        let moved = self.0.clone().into_iter().map(|mut token| {
            token.set_span(token.span().located_at(span));
            token
        });
        moved.collect()
    }
}

impl ToTokens for CratePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
