//! Every service in one process, over an embedded private PostgreSQL.
//!
//! The life of the process: `cli` reads the settings of everything and binds the addresses that others
//! use. [`run`] locks `DATA_DIR`, makes the embedded server answer ([`postgres`]), starts
//! auth-service, calendar-service, notification-service, activity-service and the gateway over internal listeners of
//! their own, each with a share of the process' lifecycle ([`services`]), and says where it listens
//! ([`announce`]). Told to stop, it ends them in reverse, then PostgreSQL. Killed, it leaves PostgreSQL
//! running, and the next start adopts it.
//!
//! Nothing is doubled here: the services are the same code over the same gRPC as anywhere else.

pub mod announce;
mod app;
pub mod cli;
pub mod config;
pub mod data_dir;
mod databases;
pub mod postgres;
pub mod room;
pub mod services;

use std::io;
use std::net::SocketAddr;

use activity_service::RelayListeners;
use chassis::lifecycle::Lifecycle;
use sqlx::migrate::MigrateError;
use tokio::net::TcpListener;

use self::config::ConfigError;
pub use self::config::{Config, Settings};
use self::data_dir::DataDirError;
use self::postgres::PostgresError;
use self::services::ServiceError;

/// The sockets, bound by the caller.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub gateway: TcpListener,
    /// For the operator.
    pub admin: TcpListener,
    /// For event sources and user clients of the relay.
    pub relay: RelayListeners,
}

/// Why the process cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A listener broke.
    #[error("a listener failed")]
    Listen(#[source] io::Error),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The embedded server does not start.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The embedded databases cannot be brought up to date.
    #[error("cannot migrate the embedded databases")]
    Migrate(#[from] MigrateError),
    /// A service refuses its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A service ended.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Listeners {
    /// Binds the addresses of the settings.
    pub async fn bind(config: &Config) -> Result<Self, RunError> {
        let bind = async |address| {
            TcpListener::bind(address).await.map_err(|source| RunError::Bind { address, source })
        };
        let relay = &config.activity.relay;
        let mut relay_listeners = RelayListeners::default();
        if relay.role.listens() {
            relay_listeners.sources = Some(bind(relay.source_listen).await?);
        }
        if relay.role.processes() {
            relay_listeners.clients = Some(bind(relay.client_listen).await?);
        }
        Ok(Self {
            gateway: bind(config.gateway_listen).await?,
            admin: bind(config.admin_listen).await?,
            relay: relay_listeners,
        })
    }
}

/// Serves until the lifecycle drains and what runs has ended, the embedded PostgreSQL included. The caller
/// owns the sockets and the end of life.
pub async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    app::run(config, listeners, lifecycle).await
}
