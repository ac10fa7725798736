//! Accounts, sessions, token signing and saga participants.
//!
//! The life of one request. [`rpc`] takes a message off the internal listener,
//! checks who calls (the token, verified here once more, or the service token),
//! turns the message into the words of `model` and calls one use-case. A
//! use-case is a file of its own: it speaks to `store`, whose statements decide
//! what is live, due or expired by the database's clock; to the [`hashing`]
//! pool, the one thing here that costs real work; and to `signing`, which holds
//! the keys. Its answer, or its [`chassis::fault::Fault`], goes back through
//! `rpc`. What must happen elsewhere as well is a row of the `outbox`.
//!
//! The service serves from its first moment: while the database is away it
//! answers `unavailable` and is not ready, and recovers by itself.

mod app;
mod authentication;
pub mod cli;
pub mod config;
mod hashing;
mod last_seen;
mod login;
mod metrics;
mod model;
mod outbox;
mod participation;
mod password;
mod receivers;
mod register;
mod removal;
mod rpc;
mod session;
mod signing;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod ticket;

use std::io;

use chassis::lifecycle::Lifecycle;
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;

pub use self::{
    config::{Config, Settings},
    login::LoginLimits,
    register::Registration,
    signing::seal::SealingKey,
    store::GuessLimit,
};

/// The schema, in the order of its history.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations/auth");

/// The sockets, bound by the caller.
pub struct Listeners {
    /// For the gateway and the other services.
    pub grpc: TcpListener,
    /// For the operator; absent where the process has one of its own.
    pub admin: Option<TcpListener>,
}

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database's address is not usable.
    #[error("the database cannot be addressed")]
    Database(#[source] sqlx::Error),
    /// The key file can be neither read nor made.
    #[error("the key file cannot be used")]
    KeyFile(#[source] io::Error),
    /// The internal listener failed.
    #[error("the internal listener failed")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves until the lifecycle drains and what runs has ended, at the latest
/// until its hard stop. The caller owns the sockets and the end of life.
pub async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    app::run(config, listeners, lifecycle).await
}
