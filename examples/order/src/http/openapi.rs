//! What is served, as an OpenAPI document. It stands beside each handler; here it is put together.

use axum::Json;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{self, Header, HeaderBuilder, RefOr, Schema};
use utoipa::{Modify, OpenApi};

use super::names::{MAX_PRICE, MAX_QUANTITY};

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
    modifiers(&Shared),
    tags(
        (name = "orders", description = "Orders, from the draft to the parcel."),
        (name = "stock", description = "What is there to be sold."),
        (name = "operation", description = "For whoever runs the shop."),
    )
)]
struct Document;

/// What is alike everywhere, and is said once: limits, and the headers of answers.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut openapi::OpenApi) {
        limit(document, "Quantity", 1, MAX_QUANTITY.into());
        limit(document, "Price", 0, MAX_PRICE);
        for item in document.paths.paths.values_mut() {
            item.get.iter_mut().for_each(|question| add_headers(question, |_| &[]));
            let commands = item.post.iter_mut().chain(item.delete.iter_mut());
            commands.for_each(|command| add_headers(command, headers_of));
        }
    }
}

/// utoipa knows limits of fields, and not of types.
fn limit(document: &mut openapi::OpenApi, name: &str, least: u64, most: u64) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(Schema::Object(number))) = schemas.and_then(|schemas| schemas.get_mut(name)) {
        (number.minimum, number.maximum) = (Some(whole(least)), Some(whole(most)));
    }
}

fn whole(number: u64) -> utoipa::Number {
    usize::try_from(number).unwrap_or(usize::MAX).into()
}

/// A name, and what it says.
type Said = (&'static str, &'static str);

const CONVERSATION: Said =
    ("X-Correlation-Id", "The conversation: what followed from it is at `/conversations/{correlation}`.");
const TAG: Said = ("ETag", "The version, for `If-Match`.");
const REPLAYED: Said = ("Idempotency-Replayed", "`true`, if this is the first answer once more.");
const WAITED: Said = ("Preference-Applied", "`wait=5`, if the client has asked to wait, and it shows.");
const NOT_VISIBLE: Said = (
    "Not-Visible",
    "Why it does not show: `late`, `paused`, `stopped`, `parked`, `left-out` or `unknown`. Only `late` mends itself.",
);
const LATER: Said = ("Retry-After", "In how many seconds to send it again, where that may help.");

/// What a command's answer says in headers, by its status.
fn headers_of(status: &str) -> &'static [Said] {
    match status {
        "200" | "201" => &[TAG, REPLAYED, WAITED],
        "202" => &[TAG, REPLAYED, NOT_VISIBLE],
        "412" => &[TAG],
        "409" | "503" => &[LATER],
        _ => &[],
    }
}

fn add_headers(operation: &mut Operation, of: impl Fn(&str) -> &'static [Said]) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            let said = of(status).iter().chain([&CONVERSATION]);
            response.headers.extend(said.map(|&(name, says)| (name.to_owned(), header(says))));
        }
    }
}

fn header(says: &str) -> Header {
    HeaderBuilder::new().description(Some(says)).build()
}

/// The document.
pub fn document() -> openapi::OpenApi {
    Document::openapi()
}

/// The document
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, description = "This document.", body = Object)))]
pub(super) async fn show() -> Json<openapi::OpenApi> {
    Json(document())
}
