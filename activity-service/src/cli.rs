//! `activity-service serve | migrate | healthcheck | check-config | relay reset`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;
use chassis::{lifecycle::Lifecycle, postgres, telemetry::TelemetrySettings};
use clap::{Parser, Subcommand};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::{Config, Listeners, RelayListeners, Settings, app, config::ConfigError, relay};

/// A setting that cannot be, or bad usage (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;

/// Device events and their rules; the ordered relay.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// How this process logs.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until SIGTERM.
    Serve(Box<Settings>),
    /// Brings the schema up to date and ends.
    Migrate(Box<Settings>),
    /// Asks a running service whether it can serve.
    Healthcheck {
        /// Its admin listener.
        #[arg(long, env = "ACTIVITY_ADMIN_LISTEN", default_value = "127.0.0.1:8074")]
        admin_listen: SocketAddr,
    },
    /// Says whether the settings hold together.
    CheckConfig(Box<Settings>),
    /// The ordered relay.
    #[command(subcommand)]
    Relay(RelayCommand),
}

#[derive(Debug, Subcommand)]
enum RelayCommand {
    /// Forgets position and followers: the next stream begins with 1.
    Reset {
        /// The service's own database.
        #[arg(long, env = "ACTIVITY_DATABASE_URL", hide_env_values = true)]
        database_url: SecretString,
        /// Its other servers, separated by commas: the primary may be one of them.
        #[arg(long, env = "ACTIVITY_REPLICA_URLS", hide_env_values = true, value_delimiter = ',')]
        replica_urls: Vec<SecretString>,
    },
}

// === impl Cli ===

impl Cli {
    /// Runs the command; the exit code is 0, 1 (it failed) or 64 (settings).
    pub async fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(settings) => serve(*settings).await,
            Command::Migrate(settings) => migrate(*settings).await,
            Command::Healthcheck { admin_listen } => {
                chassis::admin::healthcheck(admin_listen).await.map_err(anyhow::Error::from)
            }
            Command::CheckConfig(settings) => Config::try_from(*settings).map(drop).map_err(Into::into),
            Command::Relay(RelayCommand::Reset { database_url, replica_urls }) => {
                reset(&database_url, replica_urls).await
            }
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "activity-service failed");
                if error.is::<ConfigError>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
            }
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let Settings { listen, admin_listen, .. } = settings;
    let relay = settings.relay.clone();
    let config = Config::try_from(settings)?;
    let grpc = bind(listen).await?;
    let relay = RelayListeners::bind(&relay).await.context("cannot listen for the relay")?;
    let admin = bind(admin_listen).await?;
    tracing::info!(%listen, %admin_listen, "activity-service listens");
    let lifecycle = Lifecycle::new();
    lifecycle.on_signals()?;
    let listeners = Listeners { grpc, relay, admin: Some(admin) };
    crate::run(config, listeners, lifecycle).await?;
    tracing::info!("activity-service ended");
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn migrate(settings: Settings) -> anyhow::Result<()> {
    let config = Config::try_from(settings)?;
    let pool = app::pool(&config)?;
    chassis::postgres::migrate(&pool, &crate::MIGRATOR).await.context("cannot migrate")?;
    tracing::info!("the schema is up to date");
    Ok(())
}

async fn reset(database_url: &SecretString, replica_urls: Vec<SecretString>) -> anyhow::Result<()> {
    let replicas =
        postgres::replicas(replica_urls).context("ACTIVITY_REPLICA_URLS: not addresses of PostgreSQL")?;
    let pool = postgres::connect(database_url, &replicas, 1)?;
    pool.look().await;
    relay::reset(pool).await?;
    tracing::info!("position and followers of the relay are forgotten");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
