//! The stock of an article.

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use es_axum::{ETag, Json, Path, Problem};
use es_core::{ReadModelStore, ReadModels, Version};

use super::Shop;
use super::asked::{Asked, CommandHeaders};
use super::bodies::Object;
use super::names::Name;
use super::problems::{BodyRefused, CommandRefused, ProblemView, QuestionRefused, no_such_article};
use super::requests::Receipt;
use super::views::StockView;
use crate::domain::Sku;
use crate::domain::stock::StockCommand;
use crate::read_models::StockLevel;

/// Takes in a delivery
#[utoipa::path(
    post, path = "/stock/{sku}/receipts", tag = "stock",
    params(("sku" = Name, Path, description = "The article."), CommandHeaders),
    request_body(content = Receipt, example = json!({ "quantity": 10 })),
    responses(
        (status = 200, description = "It is taken in.", body = StockView),
        (status = 202, description = "It is taken in, and does not show yet, though the client has waited.", body = StockView),
        (status = 409, description = "Others were faster, again and again. Send it once more.", body = ProblemView, content_type = "application/problem+json"),
        CommandRefused, BodyRefused,
    )
)]
pub(super) async fn receive<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(sku): Path<Name>,
    asked: Asked,
    Json(Object(Receipt { quantity })): Json<Object<Receipt>>,
) -> Result<impl IntoResponse, Problem> {
    let receive = StockCommand::Receive { id: sku.clone().into(), quantity: quantity.0 };
    let (done, stock) = asked.run(&shop.store, receive).await?;
    Ok((done.status(StatusCode::OK), done, Json(StockView::after(sku.as_str(), &stock.state))))
}

/// Shows the stock of an article
#[utoipa::path(
    get, path = "/stock/{sku}", tag = "stock",
    params(
        ("sku" = Name, Path, description = "The article."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what was seen: is it still so, the answer is 304."),
    ),
    responses(
        (status = 200, description = "What is there.", body = StockView, headers(("ETag" = String, description = "The version of the stock."))),
        (status = 304, description = "It is as it was seen."),
        (status = 404, description = "`no-such-article`", body = ProblemView, content_type = "application/problem+json"),
        QuestionRefused,
    )
)]
pub(super) async fn show<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(sku): Path<Name>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stock = shop.store.documents::<StockLevel>()?.get(sku.as_str()).await?.ok_or_else(no_such_article)?;
    let tag = ETag::of(Version(stock.version));
    let validators = (tag, [(CACHE_CONTROL, "no-cache")]);
    if tag.not_modified(&headers) {
        return Ok((StatusCode::NOT_MODIFIED, validators, ()).into_response());
    }
    Ok((validators, Json(StockView::new(Sku::from(sku), &stock))).into_response())
}
