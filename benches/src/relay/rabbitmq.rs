//! The private RabbitMQ of a run, by `scripts/rabbitmq.sh`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::process::Process;

/// A running broker; dropping it ends it.
#[derive(Debug)]
pub struct RabbitMq {
    folder: PathBuf,
    url: String,
    process: Process,
}

// === impl RabbitMq ===

impl RabbitMq {
    /// Starts one on empty data in `folder`.
    pub async fn start(folder: &Path) -> Result<Self> {
        if folder.exists() {
            script("stop", folder)?;
            fs::remove_dir_all(folder)?;
        }
        let starting = folder.to_owned();
        tokio::task::spawn_blocking(move || script("start", &starting)).await??;
        let url = script("url", folder)?.trim().to_owned();
        let pid = fs::read_to_string(folder.join("broker.pid"))?;
        let process = Process::new(pid.trim().parse().context("no process id")?);
        Ok(Self { folder: folder.to_owned(), url, process })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The broker's process.
    pub const fn process(&self) -> Process {
        self.process
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        // Nobody is left to hear of an error.
        let _ = script("stop", &self.folder);
    }
}

fn script(command: &str, folder: &Path) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("scripts").join("rabbitmq.sh");
    let mut run = Command::new(&script);
    run.arg(command).arg(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = run.output().with_context(|| format!("cannot run {}", script.display()))?;
    ensure!(output.status.success(), "cannot {command} RabbitMQ");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
