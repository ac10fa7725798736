//! `activity-service serve | relay reset`.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;
use chassis::{lifecycle::Lifecycle, telemetry::TelemetrySettings};
use clap::{Parser, Subcommand};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::{
    MIGRATOR,
    relay::{self, RelayConfig, RelayListeners, RelaySettings},
};

/// Ordered event streams and device events.
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
    },
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// The service's own database.
    #[arg(long, env = "ACTIVITY_DATABASE_URL", hide_env_values = true)]
    database_url: SecretString,
    /// Where the operator connects: health, metrics. Never public.
    #[arg(long, env = "ACTIVITY_ADMIN_LISTEN", default_value = "127.0.0.1:8074")]
    admin_listen: SocketAddr,
    /// The relay.
    #[command(flatten)]
    relay: RelaySettings,
}

// === impl Cli ===

impl Cli {
    /// Runs the command; the exit code is 0 or 1 (it failed).
    pub async fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(settings) => serve(*settings).await,
            Command::Relay(RelayCommand::Reset { database_url }) => reset(&database_url).await,
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("activity-service: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let listeners = RelayListeners::bind(&settings.relay).await.context("cannot listen")?;
    let admin = TcpListener::bind(settings.admin_listen).await?;
    let config = RelayConfig::try_from(settings.relay)?;
    let pool = chassis::postgres::connect(&settings.database_url, 8)?;
    let lifecycle = Lifecycle::new();
    lifecycle.on_signals()?;
    let (on, database, until) =
        (pool.clone(), lifecycle.health().dependency("activity database"), lifecycle.clone());
    lifecycle.supervise("activity-database", move || {
        chassis::postgres::prepare(on.clone(), &MIGRATOR, database.clone(), until.clone())
    });
    let until = lifecycle.clone();
    lifecycle.spawn(async move {
        if let Err(error) = chassis::admin::serve(admin, until).await {
            tracing::error!(%error, "the admin listener ended");
        }
    });
    relay::run(config, listeners, pool, &lifecycle);
    lifecycle.draining().await;
    lifecycle.finish().await;
    Ok(())
}

async fn reset(database_url: &SecretString) -> anyhow::Result<()> {
    relay::reset(chassis::postgres::connect(database_url, 1)?)
        .await
        .map_err(|fault| anyhow::anyhow!("{fault}"))
}
