//! The stock of an article.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use es_axum::{Json, Path, Problem};
use es_core::{ReadModelStore, ReadModels};

use super::Shop;
use super::asked::{Asked, CommandHeaders};
use super::names::Name;
use super::problems::{CommandRefused, ProblemView, QuestionRefused, no_such_article};
use super::requests::Receipt;
use super::views::StockView;
use crate::domain::Sku;
use crate::domain::stock::StockCommand;
use crate::read_models::StockLevel;

/// Takes in a delivery
#[utoipa::path(
    post, path = "/stock/{sku}/receipts", tag = "stock",
    params(("sku" = String, Path, description = "The article."), CommandHeaders),
    request_body(content = Receipt, example = json!({ "quantity": 10 })),
    responses(
        (status = 200, description = "It is taken in.", body = StockView, headers(("ETag" = String, description = "The version of the stock."))),
        (status = 202, description = "It is taken in, and does not show yet, though the client has waited.", body = StockView),
        CommandRefused,
    )
)]
pub(super) async fn receive<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(sku): Path<Name>,
    asked: Asked,
    Json(Receipt { quantity }): Json<Receipt>,
) -> Result<impl IntoResponse, Problem> {
    let receive = StockCommand::Receive { id: sku.clone().into(), quantity: quantity.0 };
    let (done, stock) = asked.run(&shop.store, receive).await?;
    Ok((done.status(StatusCode::OK), done, Json(StockView::after(sku.as_str(), &stock.state))))
}

/// Shows the stock of an article
#[utoipa::path(
    get, path = "/stock/{sku}", tag = "stock",
    params(("sku" = String, Path, description = "The article.")),
    responses(
        (status = 200, description = "What is there.", body = StockView),
        (status = 404, description = "`no-such-article`", body = ProblemView, content_type = "application/problem+json"),
        QuestionRefused,
    )
)]
pub(super) async fn show<S: ReadModelStore>(
    State(shop): State<Shop<S>>,
    Path(sku): Path<Name>,
) -> Result<Json<StockView>, Problem> {
    let stock = shop.store.documents::<StockLevel>()?.get(sku.as_str()).await?.ok_or_else(no_such_article)?;
    Ok(Json(StockView::new(Sku::from(sku), &stock)))
}
