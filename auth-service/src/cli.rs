//! `auth-service serve | migrate | rotate-keys | healthcheck | check-config`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;
use chassis::{lifecycle::Lifecycle, telemetry::TelemetrySettings};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::{Config, Listeners, Settings, app, config::ConfigError};

/// A setting that cannot be, or bad usage (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;

/// Accounts, sessions, token signing.
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
    /// Publishes a new signing key; it signs five minutes later.
    RotateKeys {
        #[command(flatten)]
        settings: Box<Settings>,
        /// Drops all other keys and signs with the new one at once: for a key
        /// that leaked or a lost key file. Everybody must log in again.
        #[arg(long)]
        revoke: bool,
    },
    /// Asks a running service whether it can serve.
    Healthcheck {
        /// Its admin listener.
        #[arg(long, env = "AUTH_ADMIN_LISTEN", default_value = "127.0.0.1:8071")]
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
            Command::RotateKeys { settings, revoke } => rotate_keys(*settings, revoke).await,
            Command::Healthcheck { admin_listen } => {
                chassis::admin::healthcheck(admin_listen).await.map_err(anyhow::Error::from)
            }
            Command::CheckConfig(settings) => Config::try_from(*settings).map(drop).map_err(Into::into),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "auth-service failed");
                eprintln!("auth-service: {error:#}");
                if error.is::<ConfigError>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
            }
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let (grpc_listen, admin_listen) = (settings.grpc_listen, settings.admin_listen);
    let config = Config::try_from(settings)?;
    let grpc = TcpListener::bind(grpc_listen).await;
    let grpc = grpc.with_context(|| format!("cannot listen on {grpc_listen}"))?;
    let admin = TcpListener::bind(admin_listen).await;
    let admin = admin.with_context(|| format!("cannot listen on {admin_listen}"))?;
    tracing::info!(%grpc_listen, %admin_listen, "auth-service listens");
    let lifecycle = Lifecycle::new();
    lifecycle.on_signals()?;
    crate::run(config, Listeners { grpc, admin: Some(admin) }, lifecycle).await?;
    tracing::info!("auth-service ended");
    Ok(())
}

async fn migrate(settings: Settings) -> anyhow::Result<()> {
    let config = Config::try_from(settings)?;
    let pool = app::pool(&config)?;
    chassis::postgres::migrate(&pool, &crate::MIGRATOR).await.context("cannot migrate")?;
    tracing::info!("the schema is up to date");
    Ok(())
}

async fn rotate_keys(settings: Settings, revoke: bool) -> anyhow::Result<()> {
    let config = Config::try_from(settings)?;
    let pool = app::pool(&config)?;
    pool.look().await;
    let rotation = app::rotation(&config, pool)?;
    let kid = if revoke { rotation.revoke().await? } else { rotation.rotate().await? };
    println!("{kid}");
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
