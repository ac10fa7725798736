//! Ctrl-C: what was started is ended too.

use anyhow::{Result, bail};

/// Runs to the end or until Ctrl-C; then everything that `run` holds is dropped.
pub async fn or_interrupted(run: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        result = run => result,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => bail!("interrupted"),
            Err(error) => Err(error.into()),
        },
    }
}
