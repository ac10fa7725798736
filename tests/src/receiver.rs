//! Somebody who is called: a webhook receiver that remembers every request.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::Uri};
use chassis::{
    clock::{Clock as _, SystemClock},
    http_server::{HttpLimits, serve},
    lifecycle::Lifecycle,
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

/// One request.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it came.
    pub at: Timestamp,
    /// The path and what follows it.
    pub path: String,
    /// `webhook-id`.
    pub webhook_id: String,
    /// The body, when it is JSON.
    pub body: Value,
}

/// Answers 200 to everything until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    log: Log,
    lifecycle: Lifecycle,
}

type Log = Arc<Mutex<Vec<Received>>>;

// === impl Receiver ===

impl Receiver {
    /// On a free port of the loopback address.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, log, lifecycle) = (listener.local_addr()?, Log::default(), Lifecycle::new());
        let app = Router::new().fallback(receive).with_state(Arc::clone(&log));
        tokio::spawn(serve(listener, app, HttpLimits::default(), lifecycle.clone()));
        Ok(Self { address, log, lifecycle })
    }

    /// What to give as an address; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.lifecycle.abort();
    }
}

async fn receive(State(log): State<Log>, uri: Uri, headers: HeaderMap, body: Bytes) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let request = Received {
        at: SystemClock.now(),
        path: uri.to_string(),
        webhook_id: header("webhook-id").to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(request);
}
