//! The operator's listener: `/healthz`, `/readyz`, `/metrics`. Never public.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Json, Router, extract::State, routing::get};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    http_server::{self, HttpLimits},
    lifecycle::Lifecycle,
    telemetry,
};

/// How long a health check waits for its answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves until it is dropped. It goes on answering while the process drains:
/// that is when an operator looks. Hence it is not to be waited for
/// ([`Lifecycle::accompany`]).
pub async fn serve(listener: TcpListener, lifecycle: Lifecycle) -> io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async || telemetry::render()))
        .with_state(lifecycle.clone());
    let limits = HttpLimits { serve_while_draining: true, ..HttpLimits::default() };
    http_server::serve(listener, app, limits, lifecycle).await
}

/// Asks the process on this admin listener whether it can serve; an error says
/// what is missing. For `healthcheck` commands.
pub async fn healthcheck(address: SocketAddr) -> io::Result<()> {
    let answer =
        timeout(PATIENCE, ask(address)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(io::Error::other(body.to_owned())) }
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The process runs.
async fn healthz() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// The process can serve, or which dependency is missing.
async fn readyz(State(lifecycle): State<Lifecycle>) -> (StatusCode, Json<Value>) {
    let missing = lifecycle.health().missing();
    let missing: Vec<_> =
        missing.iter().map(|(name, why)| json!({ "dependency": name, "reason": why })).collect();
    let (code, status) = match (lifecycle.is_draining(), missing.is_empty()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "unready"),
        (false, true) => (StatusCode::OK, "ready"),
    };
    (code, Json(json!({ "status": status, "missing": missing })))
}
