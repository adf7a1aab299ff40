//! Questions about orders.
//!
//! Shows: read models behind HTTP. A page goes on behind the last key of the one before, so that orders that are placed meanwhile move
//! nobody else's; and what a client has seen is not sent again.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, LINK};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use es_axum::{Json, Path, Problem, Query};
use es_core::{ReadModelStore, ReadModels};

use super::Shop;
use super::asked::{has_seen, tag_of};
use super::names::{Name, PageSize};
use super::problems::{ProblemView, QuestionRefused, no_such_order};
use super::requests::ListOrders;
use super::views::{OrderDetailsView, OrderListItem, OrderPage, OrderStatus};
use crate::domain::order::Status;
use crate::domain::{CustomerId, OrderId};
use crate::read_models::{OrderDetails, OrderSummary};

/// Lists orders
///
/// A page at a time, in the order of their ids.
#[utoipa::path(
    get, path = "/orders", tag = "orders", params(ListOrders),
    responses(
        (status = 200, description = "A page of orders.", body = OrderPage, headers(
            ("Link" = String, description = "Where the next page is, if there is one: `<...>; rel=\"next\"`."),
        )),
        QuestionRefused,
    )
)]
pub(super) async fn list<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Query(asked): Query<ListOrders>,
) -> Result<impl IntoResponse, Problem> {
    let mut orders = shop.store.documents::<OrderSummary>()?;
    if let Some(status) = asked.status {
        orders = orders.filter("status", Status::from(status));
    }
    if let Some(customer) = asked.customer.clone() {
        orders = orders.filter("customer", CustomerId::from(customer));
    }
    let PageSize(limit) = asked.limit.unwrap_or_default();
    // One more than is shown tells whether there is another page.
    let found = orders.list(asked.after.as_ref().map(Name::as_str), limit + 1).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > shown;
    let orders: Vec<_> = found.into_iter().take(shown).map(|(id, order)| OrderListItem::new(id, order)).collect();
    let next = orders.last().filter(|_| more).map(|last| next_page(&asked, limit, &last.id));
    let link = next.as_ref().map(|next| [(LINK, format!("<{next}>; rel=\"next\""))]);
    Ok((link, Json(OrderPage { orders, next })))
}

/// All that stands in it needs no escape: that is how names are made.
fn next_page(asked: &ListOrders, limit: u32, last: &str) -> String {
    let status = asked.status.map(|status| format!("status={}&", word(status)));
    let customer = asked.customer.as_ref().map(|customer| format!("customer={}&", customer.as_str()));
    format!("/orders?{}{}after={last}&limit={limit}", status.unwrap_or_default(), customer.unwrap_or_default())
}

fn word(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Draft => "draft",
        OrderStatus::CheckedOut => "checked_out",
        OrderStatus::ReadyToShip => "ready_to_ship",
        OrderStatus::Shipped => "shipped",
        OrderStatus::Cancelled => "cancelled",
    }
}

/// Shows an order
///
/// With its payment and its shipment.
#[utoipa::path(
    get, path = "/orders/{id}", tag = "orders",
    params(
        ("id" = Name, Path, description = "The order."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what was seen: is it still so, the answer is 304."),
    ),
    responses(
        (status = 200, description = "The order.", body = OrderDetailsView, headers(
            ("ETag" = String, description = "Names what is shown. As `If-Match`, it stands for the order's version."),
        )),
        (status = 304, description = "It is as it was seen."),
        (status = 404, description = "`no-such-order`, or it does not show yet", body = ProblemView, content_type = "application/problem+json"),
        QuestionRefused,
    )
)]
pub(super) async fn show<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(id): Path<Name>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = shop.store.documents::<OrderDetails>()?.get(id.as_str()).await?.ok_or_else(no_such_order)?;
    let tag = tag_of(&order);
    let has_seen = has_seen(&headers, &tag);
    // Kept by a browser, but asked about each time.
    let validators = [(ETAG, tag), (CACHE_CONTROL, "no-cache".to_owned())];
    if has_seen {
        return Ok((StatusCode::NOT_MODIFIED, validators).into_response());
    }
    Ok((validators, Json(OrderDetailsView::new(OrderId::from(id), &order))).into_response())
}
