//! `notification-service serve | migrate | healthcheck | check-config`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;
use chassis::{lifecycle::Lifecycle, telemetry::TelemetrySettings};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::{Config, Listeners, Settings, app, config::ConfigError};

/// A setting that cannot be, or bad usage (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;

/// The durable clock: timers, reminders, notifications.
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
        #[arg(long, env = "NOTIFICATION_ADMIN_LISTEN", default_value = "127.0.0.1:8073")]
        admin_listen: SocketAddr,
    },
    /// Says whether the settings hold together.
    CheckConfig(Box<Settings>),
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
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "notification-service failed");
                eprintln!("notification-service: {error:#}");
                if error.is::<ConfigError>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
            }
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let Settings { grpc_listen, admin_listen, .. } = settings;
    let config = Config::try_from(settings)?;
    let grpc = bind(grpc_listen).await?;
    let admin = bind(admin_listen).await?;
    tracing::info!(%grpc_listen, %admin_listen, "notification-service listens");
    let lifecycle = Lifecycle::new();
    lifecycle.on_signals()?;
    crate::run(config, Listeners { grpc, admin: Some(admin) }, lifecycle).await?;
    tracing::info!("notification-service ended");
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
