//! What requests may say: texts and numbers that are checked once, where they come in.
//!
//! Shows: limits as types. A handler never sees an empty id, or a billion pieces, and every refusal says which field it is about.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::domain::{CardToken, CustomerId, Money, OrderId, Sku};

/// The longest name, in characters.
pub const MAX_NAME: usize = 64;
/// The most pieces of an article, in one line or one delivery.
pub const MAX_QUANTITY: u32 = 10_000;
/// The highest price of a piece, in cents.
pub const MAX_PRICE: u64 = 100_000_000;
/// The longest page of a list.
pub const MAX_PAGE: u32 = 100;
/// The length of a page for those who do not say.
pub const DEFAULT_PAGE: u32 = 20;

/// Names an order, an article, a customer or a card: 1 to 64 letters, digits, `-`, `_` or `.`, a letter or a digit first.
///
/// So a name stands in a path as it is, and no two names look alike.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(into = "String")]
#[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", example = "teapot")]
pub struct Name(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match text.chars().next() {
            None => Err("a name needs at least one character"),
            Some(_) if text.len() > MAX_NAME => Err("a name has at most 64 characters"),
            Some(first) if first.is_ascii_alphanumeric() && text.chars().all(is_plain) => Ok(Self(text)),
            Some(_) => Err(
                "a name is made of the letters A to Z, digits, `-`, `_` and `.`, and begins with a letter or a digit",
            ),
        }
    }
}

/// Not by `try_from`: what a visitor refuses, axum tells with the name of the parameter, also where a path has two.
impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Plain)
    }
}

struct Plain;

impl Visitor<'_> for Plain {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
        Name::try_from(text.to_owned()).map_err(E::custom)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl From<Name> for OrderId {
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

impl From<Name> for Sku {
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

impl From<Name> for CustomerId {
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

impl From<Name> for CardToken {
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

/// So many pieces: 1 to 10,000.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "u32")]
#[schema(value_type = u32, example = 2)]
pub struct Quantity(pub u32);

impl TryFrom<u32> for Quantity {
    type Error = &'static str;

    fn try_from(pieces: u32) -> Result<Self, Self::Error> {
        if (1..=MAX_QUANTITY).contains(&pieces) { Ok(Self(pieces)) } else { Err("a quantity is 1 to 10000 pieces") }
    }
}

/// What a piece costs, in cents: up to 100,000,000.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "u64")]
#[schema(value_type = u64, example = 1200)]
pub struct Price(pub u64);

impl TryFrom<u64> for Price {
    type Error = &'static str;

    fn try_from(cents: u64) -> Result<Self, Self::Error> {
        if cents <= MAX_PRICE { Ok(Self(cents)) } else { Err("a price is at most 100000000 cents") }
    }
}

impl From<Price> for Money {
    fn from(price: Price) -> Self {
        Self(price.0)
    }
}

/// How many orders a page has: 1 to 100.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "u32")]
#[schema(value_type = u32, example = 20)]
pub struct PageSize(pub u32);

impl Default for PageSize {
    fn default() -> Self {
        Self(DEFAULT_PAGE)
    }
}

impl TryFrom<u32> for PageSize {
    type Error = &'static str;

    fn try_from(orders: u32) -> Result<Self, Self::Error> {
        if (1..=MAX_PAGE).contains(&orders) { Ok(Self(orders)) } else { Err("a page has 1 to 100 orders") }
    }
}
