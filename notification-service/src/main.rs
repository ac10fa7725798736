//! `notification-service`: parse, telemetry, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use notification_service::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    chassis::install_crypto_provider();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    if let Err(error) = chassis::telemetry::init(&cli.telemetry) {
        eprintln!("notification-service: LOG: {error}");
        return ExitCode::from(64);
    }
    cli.run().await
}
