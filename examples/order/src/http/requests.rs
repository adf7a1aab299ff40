//! What clients send.
//!
//! Shows: shapes of their own, so that a change of the domain is no change of what clients send. A field that is not known is refused: a
//! misspelt one would otherwise do nothing, silently.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::bodies::Object;
use super::names::{Name, PageSize, Price, Quantity};
use super::views::OrderStatus;
use crate::domain::Line;

/// A new order. It is a draft, and may have lines already.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    /// Chosen by the client, or else by the server. The server makes it of the idempotency key, if there is one, so that a repeat is one.
    pub id: Option<Name>,
    #[schema(example = "ada")]
    pub customer: Name,
    /// At most 100, each of another article.
    #[serde(default)]
    #[schema(value_type = Vec<NewLine>, max_items = 100)]
    pub lines: Vec<Object<NewLine>>,
}

/// Pieces of one article.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    pub sku: Name,
    pub quantity: Quantity,
    pub price: Price,
}

impl From<NewLine> for Line {
    fn from(NewLine { sku, quantity, price }: NewLine) -> Self {
        Self { sku: sku.into(), quantity: quantity.0, price: price.into() }
    }
}

/// How an order is paid.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckOut {
    /// What the payment provider knows the card by. The pretended one declines `declined`.
    #[schema(example = "tok-1")]
    pub card: Name,
}

/// Pieces that were delivered to the shop.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub quantity: Quantity,
}

/// Which orders to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListOrders {
    /// Only orders that are so far.
    pub status: Option<OrderStatus>,
    /// Only orders of this customer.
    #[param(example = "ada")]
    pub customer: Option<Name>,
    /// Only orders behind this one: the last one of the page before.
    pub after: Option<Name>,
    /// At most so many. The default is 20.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub limit: Option<PageSize>,
}
