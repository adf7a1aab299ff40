//! The service under test: accounts, and what a test needs to ask it.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Router, extract::DefaultBodyLimit};
use es_axum::{Conditions, Conversation, Done, ETag, Idempotency, IfMatch, Json, Path, Problem, Query, ToProblem};
use es_core::{Aggregate, Command, Context, Event, EventStoreExt, IntoKeys, Metadata, ReadModels, Recorded};
use es_memory::MemoryStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;

use crate::listener::listen;

#[derive(Event, Serialize, Deserialize)]
#[event(category = "account")]
pub(crate) enum AccountEvent {
    Deposited { amount: u64 },
}

#[derive(Debug, Aggregate, Default)]
#[aggregate(id = String, event = AccountEvent, apply = Account::apply)]
pub(crate) struct Account {
    pub(crate) balance: u64,
}

impl Account {
    fn apply(&mut self, AccountEvent::Deposited { amount }: AccountEvent) {
        self.balance += amount;
    }

    fn deposit(&self, command: Deposit, _: &Context) -> Result<AccountEvent, TooLittle> {
        if command.amount == 0 { Err(TooLittle) } else { Ok(AccountEvent::Deposited { amount: command.amount }) }
    }
}

#[derive(Clone, Debug, Serialize, Command)]
#[command(aggregate = Account, handle = Account::deposit, error = TooLittle)]
pub(crate) struct Deposit {
    pub(crate) id: String,
    pub(crate) amount: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("a deposit needs an amount")]
pub(crate) struct TooLittle;

impl ToProblem for TooLittle {
    fn to_problem(&self) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY).kind("https://bank.example/too-little").detail(self)
    }
}

/// An amount that no balance can take in.
pub(crate) const UNLUCKY: u64 = 13;

/// What is known of an account without loading it.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Balance {
    pub(crate) cents: u64,
}

impl es_core::Document for Balance {
    const NAME: &'static str = "balance";
    type Event = AccountEvent;

    fn key(event: &Recorded<AccountEvent>) -> impl IntoKeys {
        event.stream.id()
    }

    fn apply(&mut self, event: &Recorded<AccountEvent>) {
        let AccountEvent::Deposited { amount } = event.event;
        assert!(amount != UNLUCKY, "nobody can take this in");
        self.cents += amount;
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    amount: u64,
}

#[derive(Deserialize)]
struct Page {
    limit: u32,
}

pub(crate) fn service(store: &MemoryStore) -> Router {
    listen();
    Router::new()
        .route("/accounts/{id}", get(show))
        .route("/accounts/{id}/deposits", post(deposit))
        .route("/accounts/{id}/visible-deposits", post(visible_deposit))
        .route("/accounts/{id}/careful-deposits", put(careful_deposit))
        .route("/accounts/{id}/keyed-deposits", put(keyed_deposit))
        .route("/numbers/{id}", get(async |Path(_): Path<u64>, Query(page): Query<Page>| page.limit.to_string()))
        .route("/metadata", get(async || Json(Metadata::current())))
        .fallback(es_axum::not_found)
        .method_not_allowed_fallback(es_axum::method_not_allowed)
        .layer(DefaultBodyLimit::max(1000))
        .layer(Conversation::new("bank").actor(|parts| Some(parts.headers.get("x-user")?.to_str().ok()?.to_owned())))
        .with_state(store.clone())
}

async fn deposit(
    State(store): State<MemoryStore>,
    Path(id): Path<String>,
    headers: HeaderMap,
    conditions: Conditions,
    Json(Amount { amount }): Json<Amount>,
) -> Result<impl IntoResponse, Problem> {
    let conditions = match headers.get("x-user") {
        Some(user) => conditions.for_client(user.to_str().unwrap()),
        None => conditions,
    };
    let outcome = conditions.apply(store.execute(Deposit { id, amount })).await?;
    Ok((conditions.done(&outcome), Json(outcome.state.balance)))
}

async fn visible_deposit(
    State(store): State<MemoryStore>,
    Path(id): Path<String>,
    conditions: Conditions,
    Json(Amount { amount }): Json<Amount>,
) -> Result<impl IntoResponse, Problem> {
    let execute = conditions.apply(store.execute(Deposit { id: id.clone(), amount }));
    let visible = execute.wait_for_document::<Balance>().within(conditions.wait()).await?;
    let done = conditions.done(&visible);
    let balance = store.documents::<Balance>()?.get(&id).await?;
    Ok((done.status(StatusCode::CREATED), done, Json(balance)))
}

async fn careful_deposit(
    State(store): State<MemoryStore>,
    Path(id): Path<String>,
    IfMatch(expected): IfMatch,
    Json(Amount { amount }): Json<Amount>,
) -> Result<Done, Problem> {
    Ok(Done::of(&store.execute(Deposit { id, amount }).expect(expected).await?))
}

async fn keyed_deposit(
    State(store): State<MemoryStore>,
    Path(id): Path<String>,
    key: Idempotency,
    Json(Amount { amount }): Json<Amount>,
) -> Result<Done, Problem> {
    Ok(Done::of(&store.execute(Deposit { id, amount }).idempotency_key(key.as_str()).await?))
}

async fn show(
    State(store): State<MemoryStore>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let account = store.load::<Account>(&id).await?;
    let etag = ETag::of(account.version);
    if etag.not_modified(&headers) {
        return Ok((StatusCode::NOT_MODIFIED, etag, ()).into_response());
    }
    Ok((etag, Json(account.state.balance)).into_response())
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1_000_000).await.unwrap();
        Self { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert_eq!(values.next(), None, "{name} is there more than once");
        Some(value)
    }

    /// The problem that it is, with this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Problem = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem.status, status, "{self:?}");
        problem
    }

    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) async fn ask(app: &Router, request: Request<Body>) -> Answer {
    Answer::of(app.clone().oneshot(request).await.unwrap()).await
}

/// Asks with a body, and headers.
pub(crate) async fn send(app: &Router, request: Builder, headers: &[(&str, &str)], body: &str) -> Answer {
    let typed = request.header("content-type", "application/json");
    let request = headers.iter().fold(typed, |request, (name, value)| request.header(*name, value.as_bytes()));
    ask(app, request.body(Body::from(body.to_owned())).unwrap()).await
}

/// Pays 5 in for Ada.
pub(crate) async fn pay_in(app: &Router, headers: &[(&str, &str)]) -> Answer {
    send(app, Request::post("/accounts/ada/deposits"), headers, r#"{"amount":5}"#).await
}

pub(crate) async fn balance(store: &MemoryStore) -> u64 {
    store.load::<Account>("ada").await.unwrap().state.balance
}
