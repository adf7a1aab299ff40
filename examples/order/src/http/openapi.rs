//! What is served, as an OpenAPI document. It stands beside each handler; here it is put together.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "The shop",
        description = "Orders, payments, stock and shipments that work together. Check an order out, and watch what follows by itself. \
                       Refusals are problem details (RFC 9457).",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        super::orders::place, super::listing::list, super::listing::show, super::orders::add_line, super::orders::remove_line,
        super::orders::check_out, super::orders::cancel, super::stock::receive, super::stock::show, super::conversations::show,
        super::health::show,
        show, super::page::show,
    ),
    tags(
        (name = "orders", description = "Orders, from the draft to the parcel."),
        (name = "stock", description = "What is there to be sold."),
        (name = "operation", description = "For whoever runs the shop."),
    )
)]
struct Document;

/// The document.
pub fn document() -> openapi::OpenApi {
    Document::openapi()
}

/// The document
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, description = "This document.", body = Object)))]
pub(super) async fn show() -> Json<openapi::OpenApi> {
    Json(document())
}
