//! A private redis-server that can be killed, frozen and flushed.

use std::{net::SocketAddr, process::Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use test_support::ports;
use tokio::process::{Child, Command};

use crate::wait::until;

/// A Redis of one test, on a port that stays its own.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    folder: TempDir,
    child: Option<Child>,
}

// === impl RedisServer ===

impl RedisServer {
    /// A port for a server that does not run yet.
    pub fn absent() -> Result<Self> {
        Ok(Self { address: ports::free(), folder: tempfile::tempdir()?, child: None })
    }

    /// A running server.
    pub async fn start() -> Result<Self> {
        let mut server = Self::absent()?;
        server.run().await?;
        Ok(server)
    }

    /// Runs the server and waits until it answers.
    pub async fn run(&mut self) -> Result<()> {
        let port = self.address.port().to_string();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start redis-server")?;
        self.child = Some(child);
        until("an answer from Redis", async || self.command("PING").await.ok()).await
    }

    /// Where it listens, or will.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// SIGKILL, waited for.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// SIGSTOP: connections stay open, nothing is answered.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// FLUSHALL.
    pub async fn flush(&self) -> Result<()> {
        self.command("FLUSHALL").await
    }

    /// The number of keys.
    pub async fn keys(&self) -> Result<u64> {
        let mut connection = self.connection().await?;
        Ok(redis::cmd("DBSIZE").query_async(&mut connection).await?)
    }

    async fn command(&self, name: &str) -> Result<()> {
        let mut connection = self.connection().await?;
        redis::cmd(name).query_async::<()>(&mut connection).await?;
        Ok(())
    }

    async fn connection(&self) -> Result<redis::aio::MultiplexedConnection> {
        Ok(redis::Client::open(self.url())?.get_multiplexed_async_connection().await?)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.as_ref().and_then(Child::id).context("Redis does not run")?;
        let pid = Pid::from_raw(id.cast_signed()).context("not a process id")?;
        Ok(kill_process(pid, signal)?)
    }
}
