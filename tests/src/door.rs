//! The gateway as an HTTP client sees it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Index,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;

use crate::{person::Person, regret};

/// No answer at all after this is a hanging request: the edge gives up at 5 s.
pub const HANGING: Duration = Duration::from_secs(8);

/// Where a system can be entered, for one client address.
#[derive(Clone, Debug)]
pub struct Door {
    address: SocketAddr,
    client: Client,
    source: Ipv4Addr,
}

/// A request to be.
#[derive(Debug)]
pub struct Call(RequestBuilder);

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

// === impl Door ===

impl Door {
    /// The door at this address, entered from 127.0.0.1.
    pub fn new(address: SocketAddr) -> Result<Self> {
        Self::entered_from(address, Ipv4Addr::LOCALHOST)
    }

    /// The same door for another client: `127.0.0.N`.
    pub fn neighbour(&self, n: u8) -> Result<Self> {
        Self::entered_from(self.address, Ipv4Addr::new(127, 0, 0, n))
    }

    fn entered_from(address: SocketAddr, source: Ipv4Addr) -> Result<Self> {
        let client = Client::builder()
            .local_address(IpAddr::V4(source))
            .timeout(HANGING)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { address, client, source })
    }

    /// Where the door is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that this client comes from.
    pub const fn source(&self) -> Ipv4Addr {
        self.source
    }

    /// A request to a path.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call(self.client.request(method, format!("http://{}{path}", self.address)))
    }

    /// `GET` without a token.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path).send().await
    }

    /// `POST` without a token.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.call(Method::POST, path).json(&body).send().await
    }

    /// Somebody new: registered and logged in.
    pub async fn person(&self, username: &str) -> Result<Person> {
        Person::register_and_login(self, username).await
    }
}

// === impl Call ===

impl Call {
    /// With a token.
    pub fn bearer(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// With any body.
    pub fn body(self, bytes: impl Into<reqwest::Body>) -> Self {
        Self(self.0.body(bytes))
    }

    /// With a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// With a limit of its own.
    pub fn within(self, limit: Duration) -> Self {
        Self(self.0.timeout(limit))
    }

    /// Sends it; an error means that there was no whole answer.
    pub async fn send(self) -> Result<Answer> {
        let response = self.0.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status, headers, text, body })
    }
}

// === impl Answer ===

impl Answer {
    /// Itself, when it has this status.
    pub fn expect(self, status: u16) -> Result<Self> {
        self.must(self.status == status, || format!("expected {status}, got {}", self.status))?;
        Ok(self)
    }

    /// Itself, when it is a problem with this status and code.
    pub fn refused(self, status: u16, code: &str) -> Result<Self> {
        let this = self.expect(status)?;
        this.must(this.code() == code, || format!("expected code {code}"))?;
        Ok(this)
    }

    fn must(&self, holds: bool, complaint: impl FnOnce() -> String) -> Result<()> {
        if holds {
            return Ok(());
        }
        let error = anyhow!("{}: {}", complaint(), self.text);
        regret::note(&error);
        Err(error)
    }

    /// The stable code of a problem; empty for an answer that is none.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A text of the body.
    pub fn text_at(&self, pointer: &str) -> Result<String> {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        Ok(text.with_context(|| format!("no text at {pointer} in {}", self.text))?.to_owned())
    }

    /// The fields that a problem names.
    pub fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str()).collect()
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.body[member]
    }
}
