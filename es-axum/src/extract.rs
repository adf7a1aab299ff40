//! axum's extractors, whose refusals are problems.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::internal;
use crate::problem::Problem;

/// axum's [`Json`](axum::Json), whose refusals are problems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Json(value) = axum::Json::from_request(request, state).await.map_err(unreadable_body)?;
        Ok(Self(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_value(&self.0) {
            Ok(value) => axum::Json(value).into_response(),
            Err(error) => internal(&error).into_response(),
        }
    }
}

/// axum's [`Path`](axum::extract::Path), whose refusals are problems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = extract::Path::from_request_parts(parts, state).await;
        let refused = |refused: PathRejection| refusal(refused.status(), refused.body_text());
        path.map(|extract::Path(value)| Self(value)).map_err(refused)
    }
}

/// axum's [`Query`](axum::extract::Query), whose refusals are problems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = extract::Query::from_request_parts(parts, state).await;
        let refused = |refused: QueryRejection| refusal(refused.status(), refused.body_text());
        query.map(|extract::Query(value)| Self(value)).map_err(refused)
    }
}

fn unreadable_body(refused: JsonRejection) -> Problem {
    refusal(refused.status(), refused.body_text())
}

/// What the client did wrong is told; what the program did wrong is not.
fn refusal(status: StatusCode, text: String) -> Problem {
    if status.is_server_error() {
        return internal(&*Box::<dyn std::error::Error + Send + Sync>::from(text));
    }
    Problem::new(status).detail(text)
}
