//! Ctrl-C and SIGTERM: what was started is ended too.

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Runs to the end or until it is told to end; then everything that `run` holds is dropped.
pub async fn or_interrupted(run: impl Future<Output = Result<()>>) -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        result = run => result,
        _ = terminated.recv() => bail!("terminated"),
        _ = interrupted.recv() => bail!("interrupted"),
    }
}
