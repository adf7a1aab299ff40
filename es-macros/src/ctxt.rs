//! Collects the mistakes of one derive, so that one build shows them all.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far. It must be asked for its verdict before it is dropped, so that none can be forgotten.
#[derive(Default)]
#[must_use]
pub(crate) struct Ctxt {
    mistakes: RefCell<Vec<syn::Error>>,
    finished: Cell<bool>,
}

impl Ctxt {
    /// Notes a mistake on the tokens that it is about.
    pub(crate) fn mistake(&self, tokens: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// Notes what syn found.
    pub(crate) fn add(&self, mistake: syn::Error) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// The verdict: all mistakes as compile errors, in the order in which they were found.
    pub(crate) fn finish(self) -> Result<(), TokenStream> {
        self.finished.set(true);
        let mistakes = self.mistakes.borrow();
        match mistakes.as_slice() {
            [] => Ok(()),
            mistakes => Err(mistakes.iter().map(syn::Error::to_compile_error).collect()),
        }
    }
}

impl Drop for Ctxt {
    fn drop(&mut self) {
        let told = self.finished.get() || std::thread::panicking();
        assert!(told, "the mistakes that a derive found were never reported");
    }
}
