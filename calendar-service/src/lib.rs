//! Calendars, members, events, rooms over WebSocket and Socket.IO, and the
//! create_event saga.
//!
//! The life of one request: [`rpc`] (or the socket) identifies the caller and
//! calls a use-case ([`calendar`], [`member`], [`event`], [`change`]). A
//! use-case that changes something locks its calendar, writes the new state,
//! appends to the calendar's log and the outbox, and commits: one transaction.
//! Only then does the [`bus`] tell the rooms. Creating an event is a [`saga`]
//! with auth-service; later changes go there forward only, by the [`outbox`], as
//! do [`reminder`]s to notification-service. What that delivers when it is due
//! goes into the [`inbox`] of each person it concerns, and to their sockets.
//!
//! Imports point down: main → cli → app → {rpc, socket} → use-cases →
//! {store, clients} → model.

mod app;
pub mod bus;
pub mod calendar;
pub mod change;
pub mod cli;
pub mod config;
mod error;
pub mod event;
pub mod ical;
pub mod inbox;
pub mod member;
pub mod message;
mod metrics;
pub mod model;
pub mod outbox;
pub mod password;
mod patience;
pub mod reminder;
mod rpc;
pub mod saga;
pub mod service;
pub mod socket;
pub mod store;
mod sweep;
pub mod tunnels;

use std::io;

use chassis::lifecycle::Lifecycle;
use tokio::net::TcpListener;

pub use self::config::{Config, Settings};

/// The schema of the calendar database; applied at start under an advisory lock.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/calendar");

/// The sockets, bound by the caller.
pub struct Listeners {
    /// For the gateway and the other services.
    pub grpc: TcpListener,
    /// For the gateway's tunnels: `/ws` and `/socket.io/`.
    pub socket: TcpListener,
    /// For the operator; absent where the process has one of its own.
    pub admin: Option<TcpListener>,
}

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database's address is not usable.
    #[error("the database cannot be addressed")]
    Database(#[source] sqlx::Error),
    /// Redis' address is not usable.
    #[error("Redis cannot be addressed")]
    Redis(#[source] redis::RedisError),
    /// The internal listener failed.
    #[error("the internal listener failed")]
    Serve(#[source] tonic::transport::Error),
    /// The listener of the sockets failed.
    #[error("the socket listener failed")]
    Sockets(#[source] io::Error),
}

/// Serves until the lifecycle drains and what runs has ended, at the latest
/// until its hard stop. The caller owns the sockets and the end of life. Starts
/// while database and auth-service are away (unready), and recovers by itself.
pub async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    app::run(config, listeners, lifecycle).await
}
