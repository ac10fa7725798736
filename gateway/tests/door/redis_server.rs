//! A private redis-server that can be frozen and killed.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

use crate::stack::{PATIENCE, until};

pub(crate) struct RedisServer {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let port = test_support::ports::free().port();
        let mut server = Self { port, folder: tempfile::tempdir().expect("a folder"), child: None };
        server.restart().await;
        server
    }

    pub(crate) async fn restart(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
        command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.kill_on_drop(true).spawn().expect("redis-server"));
        until("Redis answers", async || self.ask(&["PING"]).await.contains("PONG")).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn kill(&mut self) {
        self.child.take().expect("runs").kill().await.expect("killed");
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// One command's answer, as it came; nothing where Redis does not answer.
    pub(crate) async fn ask(&self, command: &[&str]) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return String::new() };
        let line = format!("{}\r\n", command.join(" "));
        if stream.write_all(line.as_bytes()).await.is_err() {
            return String::new();
        }
        let mut answer = vec![0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer").unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().and_then(Child::id).expect("runs");
        kill_process(Pid::from_raw(id.cast_signed()).expect("an id"), signal).expect("signalled");
    }
}
