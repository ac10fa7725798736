//! `shared-calendar`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use standalone::cli::Cli;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    chassis::install_crypto_provider();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => {
            // Nowhere to say it but here.
            let _ = refusal.print();
            return if refusal.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(failure) => {
            eprintln!("shared-calendar: cannot start threads: {failure}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(cli.run());
    // What still runs had its time: a thread that hangs, or waits for a key press, must not hold the exit.
    runtime.shutdown_background();
    code
}
