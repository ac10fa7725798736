//! `gateway serve | healthcheck | check-config`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;
use chassis::{lifecycle::Lifecycle, telemetry::TelemetrySettings};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::{
    Config, Listeners,
    config::{ConfigError, Settings},
};

/// A setting that cannot be, or bad usage (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;

/// The one door to the calendar.
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
    /// Asks a running gateway whether it can serve.
    Healthcheck {
        /// Its admin listener.
        #[arg(long, env = "GATEWAY_ADMIN_LISTEN", default_value = "127.0.0.1:8070")]
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
            Command::Healthcheck { admin_listen } => {
                chassis::admin::healthcheck(admin_listen).await.map_err(anyhow::Error::from)
            }
            Command::CheckConfig(settings) => Config::try_from(*settings).map(drop).map_err(Into::into),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "gateway failed");
                eprintln!("gateway: {error:#}");
                if error.is::<ConfigError>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
            }
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let (listen, admin_listen) = (settings.listen, settings.admin_listen);
    let config = Config::try_from(settings)?;
    let public = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let admin = TcpListener::bind(admin_listen).await;
    let admin = admin.with_context(|| format!("cannot listen on {admin_listen}"))?;
    tracing::info!(%listen, %admin_listen, "gateway listens");
    let lifecycle = Lifecycle::new();
    lifecycle.on_signals()?;
    crate::run(config, Listeners { public, admin: Some(admin) }, lifecycle).await?;
    tracing::info!("gateway ended");
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
