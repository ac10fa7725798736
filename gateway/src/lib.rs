//! The one door: REST, tokens, sessions, limits, socket tunnels.
//!
//! The life of one request. The accept loop reads its head (bounded in time and
//! size) and hands it to the [`edge`], one column of layers: it gets an id and
//! a client address, its prefix `/api` is taken off, and it is routed. At its
//! route it spends of a budget ([`edge::limit`]); the caller's token is verified
//! and the session looked up ([`sessions`], [`session_cache`]); the body is read
//! into what the handler wants ([`edge::body`]). The handler ([`routes`]) turns
//! HTTP into a gRPC call and the answer back; the call goes through
//! [`upstream`], with a deadline. A failure is a [`problem`] all the way up to
//! [`rescue`], which writes its body. Sockets leave all this early: they are
//! tunnelled to calendar-service ([`tunnel`]).

mod app;
pub mod cli;
pub mod config;
pub mod edge;
pub mod metrics;
mod openapi;
pub mod problem;
pub mod redis_link;
pub mod rescue;
pub mod routes;
pub mod session_cache;
pub mod sessions;
#[cfg(test)]
mod snapshot;
pub mod state;
pub mod tunnel;
pub mod upstream;

use std::io;

use chassis::lifecycle::Lifecycle;
use tokio::net::TcpListener;

pub use self::config::Config;

/// The sockets, bound by the caller.
pub struct Listeners {
    /// For clients.
    pub public: TcpListener,
    /// For the operator; absent where the process has one of its own.
    pub admin: Option<TcpListener>,
}

/// Why the gateway cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Redis' address is not usable.
    #[error("Redis cannot be addressed")]
    Redis(#[source] redis::RedisError),
    /// The public listener cannot speak TLS.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The public listener failed.
    #[error("the public listener failed")]
    Serve(#[source] io::Error),
}

/// Serves until the lifecycle drains and what runs has ended, at the latest
/// until its hard stop. The caller owns the sockets and the end of life.
pub async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    app::run(config, listeners, lifecycle).await
}
