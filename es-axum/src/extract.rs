//! axum's extractors, whose refusals are problems.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::internal;
use crate::problem::Problem;

/// axum's [`Json`](axum::Json), whose refusals are problems: 400 for what is no JSON, 415 for what does not claim to be, 413 for too
/// much of it, and 422 for what does not fit the type, with the path of the field. It is a response, too; a value that cannot be
/// written is a failure of the service, and nobody is told the details.
///
/// # Example: a field that does not fit
///
/// ```
/// use axum::{body::Body, extract::FromRequest, http::Request};
/// use es_axum::Json;
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Cart { lines: Vec<Line> }
/// #[derive(Debug, serde::Deserialize)]
/// struct Line { quantity: u32 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let body = r#"{"lines":[{"quantity":1},{"quantity":"two"}]}"#;
/// let request = Request::post("/").header("content-type", "application/json").body(Body::from(body))?;
/// let problem = Json::<Cart>::from_request(request, &()).await.unwrap_err();
/// assert_eq!(problem.status, 422);
/// assert!(problem.detail.unwrap().contains("lines[1].quantity"));
/// # Ok(())
/// # }
/// ```
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
        match serde_json::to_vec(&self.0) {
            Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
            Err(error) => internal(&error).into_response(),
        }
    }
}

/// axum's [`Path`](axum::extract::Path), whose refusals are problems: 400 for what does not fit the type.
///
/// # Example: an id that is no number
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use es_axum::Path;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app: Router = Router::new().route("/doors/{id}", get(async |Path(id): Path<u32>| format!("door {id}")));
/// let response = app.oneshot(Request::get("/doors/seven").body(Body::empty())?).await?;
/// assert_eq!(response.status(), 400);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// # Ok(())
/// # }
/// ```
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

/// axum's [`Query`](axum::extract::Query), whose refusals are problems: 400 for what does not fit the type.
///
/// # Example: a page that is no number
///
/// ```
/// use axum::{extract::FromRequestParts, http::Request};
/// use es_axum::Query;
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Page { page: u32 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut parts, ()) = Request::get("/doors?page=last").body(())?.into_parts();
/// let problem = Query::<Page>::from_request_parts(&mut parts, &()).await.unwrap_err();
/// assert_eq!(problem.status, 400);
/// # Ok(())
/// # }
/// ```
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
