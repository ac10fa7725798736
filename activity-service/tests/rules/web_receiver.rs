//! An HTTP receiver of the operator's.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use chassis::{http_server, lifecycle::Lifecycle};
use http::{Uri, header};
use serde_json::Value;
use tokio::net::TcpListener;

/// It listens until the test's runtime ends.
#[derive(Clone)]
pub(crate) struct WebReceiver {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    requests: Arc<Mutex<Vec<(u16, Value)>>>,
}

impl WebReceiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = Self { address, status: Arc::new(AtomicU16::new(200)), requests: Arc::default() };
        let app = Router::new().route("/notify/here", post(hear)).with_state(this.clone());
        tokio::spawn(http_server::serve(listener, app, http_server::HttpLimits::default(), Lifecycle::new()));
        this
    }

    pub(crate) fn uri(&self) -> Uri {
        format!("http://{}/notify/here?token=x", self.address).parse().unwrap()
    }

    /// From now on it answers this.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Everything that was asked of it.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    /// What it answered 2xx, each id once, in order.
    pub(crate) fn heard(&self) -> Vec<Value> {
        let mut ids = HashSet::new();
        let requests = self.requests.lock().unwrap();
        let heard =
            requests.iter().filter(|(status, body)| *status < 300 && ids.insert(body["id"].to_string()));
        heard.map(|(_, body)| body.clone()).collect()
    }
}

async fn hear(State(this): State<WebReceiver>, Json(body): Json<Value>) -> impl IntoResponse {
    let status = this.status.load(Ordering::SeqCst);
    this.requests.lock().unwrap().push((status, body));
    (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, "/elsewhere")])
}
