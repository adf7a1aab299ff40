//! What is told to a client when something went wrong.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The type of problems that say no more than their status.
const BLANK: &str = "about:blank";
/// What the standard itself names.
const RESERVED: [&str; 5] = ["type", "title", "status", "detail", "instance"];

/// What went wrong, for a client: the problem details of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).
///
/// As a response it is `application/problem+json` with its status. [`ToProblem`](crate::ToProblem) and the conversions from
/// es-core's errors make one of whatever a handler meets. The parts can be read as fields, and are set by methods of the same
/// names.
///
/// # Example: a refusal that a program can act on
///
/// ```
/// use axum::http::StatusCode;
/// use es_axum::Problem;
///
/// let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
///     .kind("https://shop.example/problems/out-of-stock")
///     .title("Out of stock")
///     .detail("only 2 of `teapot` are left")
///     .with("left", 2);
/// assert_eq!(problem.members["left"], 2);
///
/// let json = serde_json::to_value(&problem)?;
/// assert_eq!((&json["status"], &json["left"]), (&422.into(), &2.into()));
/// assert_eq!(serde_json::from_value::<Problem>(json)?, problem);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The response's status.
    pub status: StatusCode,
    /// The member `type`: a URI that names the kind of problem. `about:blank` if there is no more to it than the status.
    pub kind: Box<str>,
    /// What kind of problem it is, in words. By default the status's own.
    pub title: Option<Box<str>>,
    /// What went wrong this time, for a person.
    pub detail: Option<Box<str>>,
    /// A URI that names this very occurrence.
    pub instance: Option<Box<str>>,
    /// What else programs can know.
    pub members: BTreeMap<String, Value>,
    // Boxed, as the texts are, so that a `Result` of a handler stays small.
    headers: Option<Box<HeaderMap>>,
}

impl Problem {
    /// A problem of which no more is known than its status.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            kind: BLANK.into(),
            title: status.canonical_reason().map(Into::into),
            detail: None,
            instance: None,
            members: BTreeMap::new(),
            headers: None,
        }
    }

    /// Sets the member `type`, a URI that names the kind of problem. Clients recognise it by this.
    #[must_use]
    pub fn kind(self, uri: impl fmt::Display) -> Self {
        Self { kind: boxed(uri), ..self }
    }

    /// Sets what kind of problem it is, in words: the same for all of a kind.
    #[must_use]
    pub fn title(self, title: impl fmt::Display) -> Self {
        Self { title: Some(boxed(title)), ..self }
    }

    /// Sets what went wrong this time, for a person.
    #[must_use]
    pub fn detail(self, detail: impl fmt::Display) -> Self {
        Self { detail: Some(boxed(detail)), ..self }
    }

    /// Sets the URI that names this very occurrence.
    #[must_use]
    pub fn instance(self, uri: impl fmt::Display) -> Self {
        Self { instance: Some(boxed(uri)), ..self }
    }

    /// Adds a member of your own, in place of one of the same name. One of a name that the standard has taken (`type`, `title`,
    /// `status`, `detail`, `instance`) is refused, and so is one that is no JSON: it is left out, and `tracing` hears of it as an
    /// error.
    #[must_use]
    pub fn with(mut self, member: impl Into<String>, value: impl Serialize) -> Self {
        let member = member.into();
        if RESERVED.contains(&&*member) {
            tracing::error!(member, "a problem's own members cannot have a name that the standard has taken");
            return self;
        }
        match serde_json::to_value(value) {
            Ok(value) => drop(self.members.insert(member, value)),
            Err(error) => tracing::error!(member, %error, "a member of a problem cannot be written as JSON"),
        }
        self
    }

    /// Adds a header to the response, in place of one of the same name. The content type stays what it is.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.get_or_insert_default().insert(name, value.into());
        self
    }
}

fn boxed(text: impl fmt::Display) -> Box<str> {
    text.to_string().into_boxed_str()
}

impl From<StatusCode> for Problem {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        self.title.iter().try_for_each(|title| write!(f, " {title}"))?;
        self.detail.iter().try_for_each(|detail| write!(f, ": {detail}"))
    }
}

impl Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Texts and JSON values can always be written; if not, the status still says what matters.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.extend(self.headers.map(|headers| *headers).unwrap_or_default());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("status", &self.status.as_u16())?;
        for (name, text) in [("title", &self.title), ("detail", &self.detail), ("instance", &self.instance)] {
            text.iter().try_for_each(|text| map.serialize_entry(name, text))?;
        }
        self.members.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// Reads what any server sent, if it states its status. As the standard demands, a member of the wrong type counts as absent.
impl<'de> Deserialize<'de> for Problem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let status = members.remove("status").as_ref().and_then(Value::as_u64);
        let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
        let status = status.ok_or_else(|| D::Error::custom("a problem needs a `status` from 100 to 999"))?;
        let mut text = |name| match members.remove(name) {
            Some(Value::String(text)) => Some(text.into_boxed_str()),
            _ => None,
        };
        let (kind, title, detail, instance) = (text("type"), text("title"), text("detail"), text("instance"));
        let kind = kind.unwrap_or_else(|| BLANK.into());
        Ok(Self { status, kind, title, detail, instance, members, headers: None })
    }
}
