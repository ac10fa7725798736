//! A private redis-server that can be frozen and killed.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::instances::until;

pub(crate) struct RedisServer {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let port = test_support::ports::free().port();
        let mut server = Self { port, folder: tempfile::tempdir().unwrap(), child: None };
        server.restart().await;
        server
    }

    pub(crate) async fn restart(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
        command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.kill_on_drop(true).spawn().unwrap());
        until("Redis listens", async || TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// Nothing is answered; connections stay.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().and_then(Child::id).unwrap();
        kill_process(Pid::from_raw(id.cast_signed()).unwrap(), signal).unwrap();
    }
}

/// Between two looks at a condition.
pub(crate) const LOOK: Duration = Duration::from_millis(5);
