//! Ordered event streams and device events: put in order, matched by rules, told
//! to the right people. Two lanes, one process.
//!
//! The rules lane. [`rpc`] identifies the caller and calls [`record`](mod@record): events of
//! either shape become normal ones, each kept once, in one commit; that is the
//! inbox. The [`processor`] claims devices with something new, shows the
//! [`rules`] what they sent in order of event time, and compares what they want
//! told with what is known: one transaction. [`notify`] tells what is due to a
//! [`receiver`], in order per device, until it is heard.
//!
//! The relay lane ([`relay`]): listener, broker, sequencer, clients; it shares the
//! database and nothing else.
//!
//! Imports point down: main → cli → app → {rpc, relay} → use-cases → {store,
//! clients} → model.

mod app;
mod broker;
pub mod cli;
pub mod config;
mod duration;
mod error;
mod listener;
mod metrics;
pub mod model;
pub mod notify;
mod patience;
pub mod processor;
pub mod receiver;
pub mod record;
pub mod relay;
pub mod removal;
mod rpc;
pub mod rules;
mod sequencer;
pub mod service;
pub mod store;
mod sweep;

use chassis::lifecycle::Lifecycle;
use tokio::net::TcpListener;

pub use self::{
    config::{Config, Settings},
    error::FieldErrors,
    relay::RelayListeners,
};

/// The schema of the activity database; applied at start under an advisory lock.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/activity");

/// The sockets, bound by the caller.
pub struct Listeners {
    /// For the gateway and the other services.
    pub grpc: TcpListener,
    /// Of the relay, as its role wants them.
    pub relay: RelayListeners,
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
/// while the database and other services are away (unready), and recovers by itself.
pub async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    app::run(config, listeners, lifecycle).await
}
