//! The operator's listener: `/healthz`, `/readyz`, `/metrics`. Never public.

use std::io;

use axum::{Json, Router, extract::State, routing::get};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    http_server::{self, HttpLimits},
    lifecycle::Lifecycle,
    telemetry,
};

/// Serves until the lifecycle ends. It goes on answering while the process
/// drains: that is when an operator looks.
pub async fn serve(listener: TcpListener, lifecycle: Lifecycle) -> io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async || telemetry::render()))
        .with_state(lifecycle.clone());
    http_server::serve(listener, app, HttpLimits::default(), lifecycle).await
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
