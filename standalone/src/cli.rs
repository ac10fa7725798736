//! `shared-calendar [serve] | healthcheck | check-config | room`.

use std::process::ExitCode;

use anyhow::Context as _;
use chassis::lifecycle::Lifecycle;
use chassis::telemetry::{self, TelemetrySettings};
use clap::{Parser, Subcommand};
use tracing::info;

use crate::config::{Config, ConfigError, Settings};
use crate::room::{self, RoomSettings};
use crate::{Listeners, RunError};

/// A setting that cannot be, or bad usage (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;

/// Shared Calendar: every service in one process, over an embedded private PostgreSQL.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// How this process logs.
    #[command(flatten)]
    telemetry: TelemetrySettings,
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until SIGTERM or Ctrl-C; so does no command at all.
    Serve,
    /// Asks a running process whether it can serve.
    Healthcheck,
    /// Says whether the settings hold together.
    CheckConfig,
    /// Joins a calendar's room in this terminal.
    Room(RoomSettings),
}

impl Cli {
    /// Runs the command; the exit code is 0, 1 (it failed) or 64 (settings).
    pub async fn run(self) -> ExitCode {
        let outcome = match self.command {
            None | Some(Command::Serve) => Box::pin(serve(self.settings, &self.telemetry)).await,
            Some(Command::Healthcheck) => {
                chassis::admin::healthcheck(self.settings.admin_listen).await.context("not ready")
            }
            Some(Command::CheckConfig) => Config::try_from(self.settings).map(drop).map_err(Into::into),
            Some(Command::Room(room)) => room::enter(&room).await,
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("shared-calendar: {failure:#}");
                if failure.is::<ConfigError>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
            }
        }
    }
}

async fn serve(settings: Settings, telemetry: &TelemetrySettings) -> anyhow::Result<()> {
    let config = Config::try_from(settings)?;
    telemetry::init(telemetry).map_err(|refusal| ConfigError::new(format!("LOG: {refusal}")))?;
    // Before anything else starts: an address in use is found at once.
    let listeners = Listeners::bind(&config).await?;
    let lifecycle = Lifecycle::new();
    lifecycle.on_signals()?;
    Box::pin(crate::run(config, listeners, lifecycle)).await.inspect_err(log)?;
    info!("ended");
    Ok(())
}

fn log(failure: &RunError) {
    tracing::error!(error = chassis::fault::chain(failure), "shared-calendar failed");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_serves_and_settings_may_stand_on_either_side() {
        let cli = Cli::try_parse_from(["shared-calendar", "--data-dir", "/data"]).expect("parses");
        assert!(cli.command.is_none());
        let cli = Cli::try_parse_from(["shared-calendar", "check-config", "--data-dir", "/data"]);
        assert_eq!(cli.expect("parses").settings.data_dir, Some("/data".into()));
    }
}
