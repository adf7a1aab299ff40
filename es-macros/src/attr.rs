//! The syntax of our attributes: `key`, `key = value` and `key(…)`, separated by commas.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, ExprClosure, Ident, Lit, LitInt, LitStr, Meta, Path, Token, Type};

use crate::ctxt::Ctxt;
use crate::nearest::nearest;

/// What may stand in an attribute at one place.
pub(crate) struct Keys {
    /// The attribute as a user writes it, for example `#[event(…)]`, and where: `on an enum`.
    pub(crate) place: &'static str,
    /// All keys.
    pub(crate) known: &'static [&'static str],
    /// Those that may be there more than once.
    pub(crate) repeatable: &'static [&'static str],
    /// Keys that belong somewhere else, and where.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

/// Takes the value of one key in.
pub(crate) type Take<'t> = &'t mut dyn FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>;

/// Which keys were there.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    given: Vec<String>,
    /// Those about which a mistake was noted: what follows from their absence need not be said.
    excused: Vec<String>,
    all_excused: bool,
}

impl Seen {
    /// Whether `key` was meant to be there, but could not be read.
    pub(crate) fn excuses(&self, key: &str) -> bool {
        self.all_excused || self.excused.iter().any(|excused| excused == key)
    }
}

/// Hands each key of all attributes called `name` to `take`. A mistake in one leaves the others readable.
pub(crate) fn each_key(ctxt: &Ctxt, attrs: &[Attribute], name: &str, keys: &Keys, take: Take<'_>) -> Seen {
    let mut seen = Seen::default();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        match &attr.meta {
            Meta::List(list) => {
                let parsed = list.parse_args_with(|input: ParseStream<'_>| {
                    each_key_in(ctxt, input, keys, &mut seen, take);
                    Ok(())
                });
                parsed.unwrap_or_else(|mistake| ctxt.add(mistake));
            }
            other => {
                seen.all_excused = true;
                ctxt.mistake(other, format!("write `#[{name}(…)]`; {}", knows(keys)));
            }
        }
    }
    seen
}

/// The same for the inside of one `key(…)`.
pub(crate) fn each_nested_key(
    ctxt: &Ctxt,
    key: &Ident,
    input: ParseStream<'_>,
    keys: &Keys,
    take: Take<'_>,
) -> syn::Result<Seen> {
    let content = parenthesized(key, input)?;
    let mut seen = Seen::default();
    each_key_in(ctxt, &content, keys, &mut seen, take);
    Ok(seen)
}

fn each_key_in(ctxt: &Ctxt, input: ParseStream<'_>, keys: &Keys, seen: &mut Seen, take: Take<'_>) {
    while !input.is_empty() {
        let taken = one_key(input, keys, seen, take).and_then(|()| end_of_item(input));
        taken.unwrap_or_else(|mistake| ctxt.add(mistake));
        skip_value(input);
        let _ = input.parse::<Token![,]>();
    }
}

fn one_key(input: ParseStream<'_>, keys: &Keys, seen: &mut Seen, take: Take<'_>) -> syn::Result<()> {
    let key = input
        .call(Ident::parse_any)
        .map_err(|mistake| syn::Error::new(mistake.span(), format!("expected a key; {}", knows(keys))))?;
    let taken = known_key(&key, input, keys, seen, take);
    if taken.is_err() {
        skip_value(input);
    }
    taken
}

fn known_key(key: &Ident, input: ParseStream<'_>, keys: &Keys, seen: &mut Seen, take: Take<'_>) -> syn::Result<()> {
    let name = key.unraw().to_string();
    if !keys.known.contains(&name.as_str()) {
        seen.excused.push(nearest(&name, keys.known).map_or_else(|| name.clone(), str::to_owned));
        return Err(syn::Error::new(key.span(), unknown(&name, keys)));
    }
    if seen.given.contains(&name) && !keys.repeatable.contains(&name.as_str()) {
        return Err(syn::Error::new(key.span(), format!("`{name}` is given twice, remove one")));
    }
    seen.given.push(name.clone());
    take(key, input).inspect_err(|_| seen.excused.push(name))
}

fn unknown(name: &str, keys: &Keys) -> String {
    if let Some((_, home)) = keys.elsewhere.iter().find(|(key, _)| *key == name) {
        return format!("`{name}` goes {home}");
    }
    match nearest(name, keys.known) {
        Some(meant) => format!("unknown key `{name}`, did you mean `{meant}`?"),
        None => format!("unknown key `{name}`; {}", knows(keys)),
    }
}

fn knows(keys: &Keys) -> String {
    match keys.known {
        [] => format!("{} takes no keys", keys.place),
        known => format!("{} knows `{}`", keys.place, known.join("`, `")),
    }
}

fn end_of_item(input: ParseStream<'_>) -> syn::Result<()> {
    match input.is_empty() || input.peek(Token![,]) {
        true => Ok(()),
        false => Err(input.error("expected `,`")),
    }
}

/// Goes to the next comma, so that what follows a mistake is still read.
pub(crate) fn skip_value(input: ParseStream<'_>) {
    let _ = input.parse::<Token![=]>();
    skip_closure_parameters(input);
    while !input.is_empty() && !input.peek(Token![,]) {
        let _ = input.parse::<TokenTree>();
    }
}

/// Goes behind the parameters of a closure, whose commas separate nothing that we know.
fn skip_closure_parameters(input: ParseStream<'_>) {
    let _ = input.parse::<Token![move]>();
    if input.parse::<Token![|]>().is_ok() {
        while !input.is_empty() && !input.peek(Token![|]) {
            let _ = input.parse::<TokenTree>();
        }
    }
}

/// What stands between the parentheses of `key(…)`.
pub(crate) fn parenthesized<'p>(key: &Ident, input: ParseStream<'p>) -> syn::Result<syn::parse::ParseBuffer<'p>> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), format!("`{key}` takes a list: `{key}(…)`")));
    }
    let content;
    syn::parenthesized!(content in input);
    Ok(content)
}

/// A key without a value.
pub(crate) fn flag(key: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    match input.is_empty() || input.peek(Token![,]) {
        true => Ok(key.clone()),
        false => Err(input.error(format!("`{key}` takes no value"))),
    }
}

/// `key = "text"`.
pub(crate) fn string(key: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    value(key, input, &format!("`{key}` takes a string: `{key} = \"…\"`"))
}

/// `key = path::to_function`.
pub(crate) fn function(key: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    value(key, input, &format!("`{key}` takes the path of a function: `{key} = path::to_function`"))
}

/// What is called: a function by its path, or a closure.
pub(crate) enum Function {
    Path(Path),
    Closure(ExprClosure),
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Path(path) => path.to_tokens(tokens),
            Self::Closure(closure) => closure.to_tokens(tokens),
        }
    }
}

/// `key = path::to_function`, or `key = |…| …`. What is wrong inside a closure is said in syn's words.
pub(crate) fn function_or_closure(key: &Ident, input: ParseStream<'_>) -> syn::Result<Function> {
    let usage = format!("`{key}` takes a function: `{key} = path::to_function`, or a closure: `{key} = |…| …`");
    equals(key, input, &usage)?;
    if input.peek(Token![|]) || input.peek(Token![||]) || input.peek(Token![move]) {
        return whole(input).map(Function::Closure);
    }
    let span = input.span();
    whole(input).map(Function::Path).map_err(|_| syn::Error::new(span, usage))
}

/// `key = path::to_module`.
pub(crate) fn module(key: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    value(key, input, &format!("`{key}` takes a path: `{key} = path::to_es_core`"))
}

/// `key = Type`.
pub(crate) fn ty(key: &Ident, input: ParseStream<'_>) -> syn::Result<Type> {
    value(key, input, &format!("`{key}` takes a type: `{key} = TheType`"))
}

/// `key("one", "two")`.
pub(crate) fn strings(key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    let usage = format!("`{key}` takes texts: `{key}(\"…\", \"…\")`");
    let content = parenthesized(key, input)?;
    let texts = Punctuated::<Lit, Token![,]>::parse_terminated(&content);
    let _ = content.parse::<TokenStream>();
    let text = |literal| match literal {
        Lit::Str(text) => Ok(text),
        other => Err(syn::Error::new_spanned(other, &usage)),
    };
    texts.map_err(|mistake| syn::Error::new(mistake.span(), &usage))?.into_iter().map(text).collect()
}

/// A whole number, and the literal to point at.
#[derive(Clone)]
pub(crate) struct Number {
    pub(crate) literal: LitInt,
    pub(crate) value: u64,
}

/// `key = 7`, at most `max`.
pub(crate) fn number(key: &Ident, input: ParseStream<'_>, max: u64) -> syn::Result<Number> {
    checked_number(value(key, input, &format!("`{key}` takes a whole number: `{key} = 7`"))?, max)
}

pub(crate) fn checked_number(literal: LitInt, max: u64) -> syn::Result<Number> {
    match literal.base10_parse() {
        Ok(value) if literal.suffix().is_empty() && value <= max => Ok(Number { literal, value }),
        _ => Err(syn::Error::new(literal.span(), format!("expected a whole number of at most {max}, without suffix"))),
    }
}

fn value<T: Parse>(key: &Ident, input: ParseStream<'_>, usage: &str) -> syn::Result<T> {
    equals(key, input, usage)?;
    let span = input.span();
    whole(input).map_err(|_| syn::Error::new(span, usage))
}

fn equals(key: &Ident, input: ParseStream<'_>, usage: &str) -> syn::Result<()> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(key.span(), usage));
    }
    input.parse::<Token![=]>()?;
    match input.is_empty() || input.peek(Token![,]) {
        true => Err(syn::Error::new(key.span(), usage)),
        false => Ok(()),
    }
}

/// Takes a value in as a whole, or nothing of it, so that it can be skipped as a whole.
fn whole<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    let ahead = input.fork();
    let value = ahead.parse()?;
    input.advance_to(&ahead);
    Ok(value)
}
