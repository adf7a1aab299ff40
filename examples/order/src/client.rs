//! A small HTTP client, for the demo and the tests: what is sent is what is written here, byte by byte.
//!
//! It is the client half of `hyper`, which the server is made of as well, so that nothing more has to be compiled.

use std::fmt;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

/// Why there is no answer.
pub type NoAnswer = Box<dyn std::error::Error + Send + Sync>;

/// Speaks with one server. Each request has a connection of its own.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    server: SocketAddr,
}

/// A request, not sent yet.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    server: SocketAddr,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    body: Bytes,
}

/// What the server has answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub fn new(server: SocketAddr) -> Self {
        Self { server }
    }

    pub fn get(&self, path: impl Into<String>) -> Request {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: impl Into<String>) -> Request {
        self.request(Method::POST, path)
    }

    pub fn delete(&self, path: impl Into<String>) -> Request {
        self.request(Method::DELETE, path)
    }

    pub fn request(&self, method: Method, path: impl Into<String>) -> Request {
        Request { server: self.server, method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }
}

impl Request {
    pub fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sends the value as JSON.
    pub fn json(self, body: &impl Serialize) -> Self {
        // What is written here are values that were JSON before.
        let body = serde_json::to_vec(body).unwrap_or_default();
        self.header(CONTENT_TYPE.as_str(), "application/json").body(body)
    }

    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// # Errors
    /// When the server cannot be reached, or closes the connection before it has answered.
    pub async fn send(self) -> Result<Answer, NoAnswer> {
        let connection = TokioIo::new(TcpStream::connect(self.server).await?);
        let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(connection).await?;
        // Ends with the sender, or with an error that the sender is told, too.
        tokio::spawn(connection);
        let mut request =
            hyper::Request::builder().method(self.method).uri(self.path).header(HOST, self.server.to_string());
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let (parts, body) = sender.send_request(request.body(Full::new(self.body))?).await?.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
    }
}

impl Answer {
    /// A header's text, or nothing.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, or `null` if it is no JSON.
    pub fn json(&self) -> Value {
        self.read().unwrap_or_default()
    }

    /// The body, as what it should be.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}
