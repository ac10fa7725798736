//! The durable clock: timers that fire webhooks, reminders, notifications.
//!
//! The life of one timer: [`rpc`] identifies the caller, [`timer`] checks the
//! wish and writes one row of `due_work`. When the database's clock reaches its
//! time, the engine in [`due`] claims the row for a few seconds, gives it to the
//! handler of its kind ([`handlers`]), and records what came of it under the
//! fencing token of the claim. A crash between delivery and record repeats the
//! delivery with the same id: it fires once, and is delivered at least once.
//! Requests to addresses that people gave leave through [`webhook`] alone.
//!
//! Imports point down: main → cli → app → rpc → use-cases and {due, handlers} →
//! {store, webhook, calendar} → model.

mod app;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod due;
mod error;
pub mod handlers;
mod metrics;
pub mod model;
pub mod notify;
mod patience;
pub mod reminder;
mod removal;
mod rpc;
pub mod service;
pub mod store;
mod sweep;
pub mod timer;
pub mod webhook;
pub mod webhook_settings;
pub mod zone;

use chassis::lifecycle::Lifecycle;
use tokio::net::TcpListener;

pub use self::config::{Config, Settings};

/// The schema of the notification database; applied at start under an advisory lock.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/notification");

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
    /// The internal listener failed.
    #[error("the internal listener failed")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves until the lifecycle drains and what runs has ended, at the latest
/// until its hard stop. The caller owns the sockets and the end of life. Starts
/// while the database and the other services are away (unready), and recovers by
/// itself; what is overdue fires while requests are answered already.
pub async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    app::run(config, listeners, lifecycle).await
}
