//! Commands to an order.
//!
//! Shows: what a handler of a command looks like. Who asks and what is stated in headers comes in as `Asked`; the rest is one line of
//! plain axum.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use es_axum::{Json, Path, Problem};
use es_core::ReadModelStore;
use uuid::Uuid;

use super::Shop;
use super::asked::{Asked, CommandHeaders};
use super::bodies::{NoBody, Object};
use super::names::Name;
use super::problems::{BodyRefused, CommandRefused, KeyRefused, OrderRefused, ProblemView};
use super::requests::{CheckOut, NewLine, PlaceOrder};
use super::views::OrderView;
use crate::domain::order::{CancelReason, OrderCommand};
use crate::domain::{Line, OrderId};

/// The namespace of the ids that are made of idempotency keys, for ever.
const IDS: Uuid = Uuid::from_u128(0x0b6f_5f0c_9c55_4d58_8b0e_5c1d_0f0e_77a1);

/// Places an order
///
/// It is a draft until it is checked out.
#[utoipa::path(
    post, path = "/orders", tag = "orders",
    params(CommandHeaders),
    request_body(content = PlaceOrder, example = json!({
        "id": "order-1", "customer": "ada", "lines": [{ "sku": "teapot", "quantity": 2, "price": 1200 }]
    })),
    responses(
        (status = 201, description = "It is placed.", body = OrderView, headers(
            ("Location" = String, description = "Where the order is."),
        )),
        (status = 202, description = "It is placed, and does not show yet, though the client has waited.", body = OrderView),
        CommandRefused, OrderRefused, BodyRefused,
    )
)]
pub(super) async fn place<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    asked: Asked,
    Json(Object(PlaceOrder { id, customer, lines })): Json<Object<PlaceOrder>>,
) -> Result<impl IntoResponse, Problem> {
    let id = id.map_or_else(|| fresh_id(&asked), OrderId::from);
    let lines = lines.into_iter().map(|Object(line)| Line::from(line)).collect();
    let place = OrderCommand::Place { id: id.clone(), customer: customer.into(), lines };
    let (done, order) = asked.run(&shop.store, place).await?;
    let view = OrderView::new(&id.0, order.version, &order.state);
    Ok((done.status(StatusCode::CREATED), done, [(LOCATION, format!("/orders/{id}"))], Json(view)))
}

/// A repeat without an id, but with a key, is for the same order.
fn fresh_id(asked: &Asked) -> OrderId {
    let key = asked.conditions.key();
    OrderId(key.map_or_else(Uuid::now_v7, |key| Uuid::new_v5(&IDS, key.as_str().as_bytes())).to_string())
}

/// Adds a line to a draft
#[utoipa::path(
    post, path = "/orders/{id}/lines", tag = "orders",
    params(("id" = Name, Path, description = "The order."), CommandHeaders),
    request_body(content = NewLine, example = json!({ "sku": "cup", "quantity": 1, "price": 700 })),
    responses(
        (status = 200, description = "It is added.", body = OrderView),
        (status = 202, description = "It is added, and does not show yet, though the client has waited.", body = OrderView),
        (status = 404, description = "`no-such-order`", body = ProblemView, content_type = "application/problem+json"),
        CommandRefused, OrderRefused, BodyRefused,
    )
)]
pub(super) async fn add_line<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(id): Path<Name>,
    asked: Asked,
    Json(Object(line)): Json<Object<NewLine>>,
) -> Result<impl IntoResponse, Problem> {
    change(&shop, &asked, OrderCommand::AddLine { id: id.into(), line: line.into() }).await
}

/// Takes a line from a draft
#[utoipa::path(
    delete, path = "/orders/{id}/lines/{sku}", tag = "orders",
    params(("id" = Name, Path, description = "The order."), ("sku" = Name, Path, description = "The line's article."), CommandHeaders),
    responses(
        (status = 200, description = "It is gone.", body = OrderView),
        (status = 202, description = "It is gone, and does still show, though the client has waited.", body = OrderView),
        (status = 404, description = "`no-such-order` or `no-such-line`", body = ProblemView, content_type = "application/problem+json"),
        CommandRefused, OrderRefused, KeyRefused,
    )
)]
pub(super) async fn remove_line<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path((id, sku)): Path<(Name, Name)>,
    asked: Asked,
    _: NoBody,
) -> Result<impl IntoResponse, Problem> {
    change(&shop, &asked, OrderCommand::RemoveLine { id: id.into(), sku: sku.into() }).await
}

/// Checks an order out, and pays it
///
/// The rest follows by itself: the stock is reserved, the payment captured, the parcel shipped. Or it is cancelled, and what was done
/// by then is undone.
#[utoipa::path(
    post, path = "/orders/{id}/checkout", tag = "orders",
    params(("id" = Name, Path, description = "The order."), CommandHeaders),
    request_body(content = CheckOut, example = json!({ "card": "tok-1" })),
    responses(
        (status = 200, description = "It is checked out.", body = OrderView),
        (status = 202, description = "It is checked out, and does not show yet, though the client has waited.", body = OrderView),
        (status = 404, description = "`no-such-order`", body = ProblemView, content_type = "application/problem+json"),
        CommandRefused, OrderRefused, BodyRefused,
    )
)]
pub(super) async fn check_out<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(id): Path<Name>,
    asked: Asked,
    Json(Object(CheckOut { card })): Json<Object<CheckOut>>,
) -> Result<impl IntoResponse, Problem> {
    change(&shop, &asked, OrderCommand::CheckOut { id: id.into(), card: card.into() }).await
}

/// Cancels an order
///
/// As long as it is not ready to ship. What was reserved is released, what was paid is given back.
#[utoipa::path(
    post, path = "/orders/{id}/cancel", tag = "orders",
    params(("id" = Name, Path, description = "The order."), CommandHeaders),
    responses(
        (status = 200, description = "It is cancelled.", body = OrderView),
        (status = 202, description = "It is cancelled, and does not show yet, though the client has waited.", body = OrderView),
        (status = 404, description = "`no-such-order`", body = ProblemView, content_type = "application/problem+json"),
        CommandRefused, OrderRefused, KeyRefused,
    )
)]
pub(super) async fn cancel<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(id): Path<Name>,
    asked: Asked,
    _: NoBody,
) -> Result<impl IntoResponse, Problem> {
    change(&shop, &asked, OrderCommand::Cancel { id: id.into(), reason: CancelReason::CustomerWish }).await
}

async fn change<S: ReadModelStore>(
    shop: &Shop<S>,
    asked: &Asked,
    command: OrderCommand,
) -> Result<impl IntoResponse + use<S>, Problem> {
    let (done, order) = asked.run(&shop.store, command).await?;
    let view = OrderView::new(order.stream.id(), order.version, &order.state);
    Ok((done.status(StatusCode::OK), done, Json(view)))
}
