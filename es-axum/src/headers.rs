//! Headers, read without trust.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::problem::Problem;

/// The one value of a header that may be there once.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed(name, "it is sent more than once"));
    }
    let text = value.to_str().map_err(|_| malformed(name, "it holds characters that are not printable ASCII"))?;
    Ok(Some(text.trim()))
}

/// A header that cannot be understood, and therefore must not be passed over.
pub(crate) fn malformed(name: &HeaderName, why: impl fmt::Display) -> Problem {
    let name = canonical(name);
    Problem::new(StatusCode::BAD_REQUEST).detail(format_args!("the header `{name}` cannot be understood: {why}"))
}

/// The name as people write it: with capitals.
pub(crate) fn canonical(name: &HeaderName) -> String {
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    };
    name.as_str().split('-').map(word).collect::<Vec<_>>().join("-")
}
