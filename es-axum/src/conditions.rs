//! What a request states about the command that it brings.

use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use es_core::{Command, Execute, ExpectedVersion};
use serde::Serialize;

use crate::done::Done;
use crate::etag::ETag;
use crate::headers::{malformed, single};
use crate::idempotency::Idempotency;
use crate::problem::Problem;
use crate::wait::PreferWait;

/// What a request states about the command that it brings, all of it optional: `If-Match` and `If-None-Match`, the version it is
/// for; `Idempotency-Key`, under which it happens once; `Prefer: wait`, how long to wait for read models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    expected: ExpectedVersion,
    key: Option<Idempotency>,
    wait: PreferWait,
}

impl Conditions {
    /// Puts the name of whoever is asking in front of the idempotency key.
    #[must_use]
    pub fn for_client(self, client: &str) -> Self {
        Self { key: self.key.map(|key| key.for_client(client)), ..self }
    }

    /// Has the command expect the version, and take effect once under the key, if the request states them.
    pub fn apply<'a, S, C, D>(&self, execute: Execute<'a, S, C, D>) -> Execute<'a, S, C, D>
    where
        C: Command + Serialize,
    {
        // What the handler expects of its own accord stays, where the client states nothing.
        let execute = if self.is_versioned() { execute.expect(self.expected) } else { execute };
        match &self.key {
            Some(key) => execute.idempotency_key(key.as_str()),
            None => execute,
        }
    }

    /// The version that the request is for. [`Any`](ExpectedVersion::Any) if it states none.
    pub const fn expected(&self) -> ExpectedVersion {
        self.expected
    }

    /// The key, if the request has one.
    pub const fn key(&self) -> Option<&Idempotency> {
        self.key.as_ref()
    }

    /// How long to wait for read models: at most [`MAX_WAIT`](crate::MAX_WAIT), and zero if the client has not asked.
    pub fn wait(&self) -> Duration {
        self.wait.duration()
    }

    /// What to answer, of a command's [`Outcome`](es_core::Outcome) or [`Visible`](es_core::Visible).
    pub fn done(&self, outcome: impl Into<Done>) -> Done {
        outcome.into().preferred(self.wait)
    }

    const fn is_versioned(&self) -> bool {
        !matches!(self.expected, ExpectedVersion::Any)
    }

    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let expected = match (if_match(headers)?, if_none_match(headers)?) {
            (Some(_), Some(_)) => {
                return Err(malformed(&IF_MATCH, "it cannot come together with `If-None-Match`, which says the contrary"));
            }
            (stated, none) => stated.or(none).unwrap_or_default(),
        };
        Ok(Self { expected, key: Idempotency::of(headers)?, wait: PreferWait::of(headers) })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// The version that the request is for, by `If-Match`: `"7"` is [`Exact`](ExpectedVersion::Exact), `*` is
/// [`Exists`](ExpectedVersion::Exists).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub ExpectedVersion);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if_match(&parts.headers)?.map(Self).ok_or_else(|| {
            Problem::new(StatusCode::PRECONDITION_REQUIRED)
                .detail("this request needs a header `If-Match` with the `ETag` of what it is to change")
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(if_match(&parts.headers)?.map(Self))
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, Problem> {
    let Some(text) = single(headers, &IF_MATCH)? else { return Ok(None) };
    match ETag::parse(text) {
        _ if text == "*" => Ok(Some(ExpectedVersion::Exists)),
        Some(etag) => Ok(Some(etag.version().into())),
        None => Err(malformed(&IF_MATCH, not_a_tag(text))),
    }
}

fn if_none_match(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, Problem> {
    match single(headers, &IF_NONE_MATCH)? {
        None => Ok(None),
        Some("*") => Ok(Some(ExpectedVersion::NoStream)),
        Some(_) => Err(malformed(&IF_NONE_MATCH, "of what is to be changed only `*` can be said: that it is not there yet")),
    }
}

fn not_a_tag(text: &str) -> &'static str {
    match text {
        weak if weak.starts_with("W/") => "a weak tag does not say which version it is; send the `ETag` as it was given",
        list if list.contains(',') => "a list leaves open which version it is; send one `ETag`",
        _ => "it is not an `ETag` that was given here, which is a version in quotes, as in \"7\"",
    }
}
