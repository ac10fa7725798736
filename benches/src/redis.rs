//! A private Redis, for what several instances tell each other.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long it may take until it accepts.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// A running server that keeps nothing.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    address: SocketAddr,
}

// === impl Redis ===

impl Redis {
    /// Starts a server on a free loopback port, and waits until it accepts.
    pub async fn start(folder: &Path) -> Result<Self> {
        let address = test_support::ports::free();
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(address.port().to_string())
            .arg("--dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start redis-server: is it installed?")?;
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).await.is_err() {
            if child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("Redis does not get ready");
            }
            sleep(POLL).await;
        }
        Ok(Self { child, address })
    }

    /// Its address, as services take it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
