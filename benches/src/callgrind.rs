//! Counts what a process does in instructions, by valgrind's callgrind: the same on a busy machine
//! as on a quiet one, and without what caches and neighbours make of it. System calls count as
//! nothing.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::process::Process;

/// What a program is started under, to be counted: it does not count yet, and is some forty times
/// slower.
pub fn wrapper(folder: &Path) -> Vec<String> {
    let file = format!("--callgrind-out-file={}.%p", dumps(folder).display());
    ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--cache-sim=no", &file]
        .map(str::to_owned)
        .to_vec()
}

/// The instructions of a process that was started under [`wrapper`] while `work` is done, and what
/// came of the work.
pub async fn count<T>(
    process: Process,
    folder: &Path,
    work: impl Future<Output = Result<T>>,
) -> Result<(u64, T)> {
    control(process, &["-i", "on"]).await?;
    let outcome = work.await?;
    control(process, &["-i", "off"]).await?;
    control(process, &["-d"]).await?;
    let dump = format!("{}.{}.1", dumps(folder).display(), process.id());
    let text = fs::read_to_string(&dump).with_context(|| format!("no {dump}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ")).context("no totals")?;
    Ok((line.trim().parse()?, outcome))
}

fn dumps(folder: &Path) -> PathBuf {
    folder.join("callgrind.out")
}

async fn control(process: Process, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("callgrind_control");
    // It finds the process by names that it makes of variables; a service is started without any.
    command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
    let output = command.args(arguments).arg(process.id().to_string()).output().await?;
    ensure!(output.status.success(), "callgrind_control: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
