//! axum's extractors, whose refusals are problems.

use std::error::Error;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{self, FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::internal;
use crate::problem::Problem;

/// axum's [`Json`](axum::Json), whose refusals are problems: 400 for what is no JSON, 415 for what does not claim to be, 413 for too
/// much of it, and 422 for what does not fit the type, with the path of the field as the member `field`. It is a response, too; a value that cannot be
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
/// assert_eq!(problem.members["field"], "lines[1].quantity");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Json(value) =
            axum::Json::from_request(request, state).await.map_err(|refused| unreadable_body(&refused))?;
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

/// axum's [`Path`](axum::extract::Path), whose refusals are problems: 400 for what does not fit the type, with the parameter's name as
/// the member `field` where it is known. Of several, axum knows it where the type refuses in its visitor; behind
/// `#[serde(try_from)]` it does not.
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
/// let problem: es_axum::Problem = serde_json::from_slice(&axum::body::to_bytes(response.into_body(), 1000).await?)?;
/// assert_eq!(problem.members["field"], "id");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(value)) => Ok(Self(value)),
            Err(refused) => {
                let names = RawPathParams::from_request_parts(parts, state).await;
                let names = names.iter().flatten().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
                Err(unreadable_path(&refused, &names))
            }
        }
    }
}

/// axum's [`Query`](axum::extract::Query), whose refusals are problems: 400 for what does not fit the type, with
/// the parameter's name as the member `field` where it is known.
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
/// assert_eq!((problem.status.as_u16(), &problem.members["field"]), (400, &"page".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = extract::Query::from_request_parts(parts, state).await;
        query.map(|extract::Query(value)| Self(value)).map_err(|refused| unreadable_query(&refused))
    }
}

fn unreadable_body(refused: &JsonRejection) -> Problem {
    let field = match refused {
        JsonRejection::JsonDataError(error) => field_of::<serde_json::Error>(error),
        _ => None,
    };
    in_field(refusal(refused.status(), refused.body_text()), field)
}

fn unreadable_query(refused: &QueryRejection) -> Problem {
    let field = match refused {
        QueryRejection::FailedToDeserializeQueryString(error) => field_of::<serde::de::value::Error>(error),
        _ => None,
    };
    in_field(refusal(refused.status(), refused.body_text()), field)
}

/// Of a single parameter, the name is known whatever axum says.
fn unreadable_path(refused: &PathRejection, names: &[String]) -> Problem {
    let PathRejection::FailedToDeserializePathParams(error) = refused else {
        return refusal(refused.status(), refused.body_text());
    };
    let only = names.first().filter(|_| names.len() == 1);
    let field = match error.kind() {
        ErrorKind::ParseErrorAtKey { key, .. }
        | ErrorKind::DeserializeError { key, .. }
        | ErrorKind::InvalidUtf8InPathParam { key } => Some(key),
        ErrorKind::ParseErrorAtIndex { index, .. } => names.get(*index),
        _ => only,
    };
    in_field(refusal(refused.status(), refused.body_text()), field.cloned())
}

/// The path of the field that did not fit, unless it is the whole that did not.
fn field_of<E: Error + 'static>(refused: &dyn Error) -> Option<String> {
    let error = refused.source()?.source()?.downcast_ref::<serde_path_to_error::Error<E>>()?;
    let path = error.path();
    (path.iter().len() > 0).then(|| path.to_string())
}

fn in_field(problem: Problem, field: Option<String>) -> Problem {
    match field {
        // What the program did wrong is not told, and neither is where.
        Some(field) if problem.status.is_client_error() => problem.with("field", field),
        _ => problem,
    }
}

/// What the client did wrong is told; what the program did wrong is not.
fn refusal(status: StatusCode, text: String) -> Problem {
    if status.is_server_error() {
        return internal(&*Box::<dyn Error + Send + Sync>::from(text));
    }
    Problem::new(status).detail(text)
}
