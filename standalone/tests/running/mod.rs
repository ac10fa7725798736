//! A place with addresses and data of its own, and the program running there.

use std::fs::{self, File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use tempfile::TempDir;
use test_support::ports;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

/// A debug build on a busy machine starts within this.
const START: Duration = Duration::from_mins(1);
/// CONTRACTS, Operations: from SIGTERM to the exit.
const END: Duration = Duration::from_secs(10);

/// Settings of one program, kept over its restarts.
pub(crate) struct Place {
    /// For clients.
    pub(crate) gateway: SocketAddr,
    /// For the operator.
    pub(crate) admin: SocketAddr,
    folder: Rc<Folder>,
    settings: Vec<(&'static str, String)>,
}

/// The program, killed when dropped.
pub(crate) struct Running {
    child: Child,
    admin: SocketAddr,
    stderr: PathBuf,
}

/// Takes the embedded server down with it: left alone, that outlives everything, by design.
struct Folder(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("calendar-").tempdir_in("/var/tmp").expect("a folder");
        // The account that runs PostgreSQL for root must get through.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("ours");
        Self {
            gateway: ports::free(),
            admin: ports::free(),
            folder: Rc::new(Folder(folder)),
            settings: Vec::new(),
        }
    }

    /// The same data at other addresses.
    pub(crate) fn elsewhere(&self) -> Self {
        Self {
            gateway: ports::free(),
            admin: ports::free(),
            folder: Rc::clone(&self.folder),
            settings: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    pub(crate) fn start(&self) -> Running {
        self.run("serve")
    }

    pub(crate) fn run(&self, command: &str) -> Running {
        let stderr = self.folder.0.path().join(format!("{command}-{}", self.gateway.port()));
        let child = Command::new(env!("CARGO_BIN_EXE_shared-calendar"))
            .arg(command)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GATEWAY_LISTEN", self.gateway.to_string())
            .env("ADMIN_LISTEN", self.admin.to_string())
            .env("RELAY_SOURCE_LISTEN", "127.0.0.1:0")
            .env("RELAY_CLIENT_LISTEN", "127.0.0.1:0")
            .env("DATA_DIR", self.data_dir())
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&stderr).expect("a file"))
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        Running { child, admin: self.admin, stderr }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.data_dir()
    }

    /// What the embedded server logged.
    pub(crate) fn server_log(&self) -> String {
        fs::read_to_string(self.data_dir().join("postgres.log")).unwrap_or_default()
    }

    /// The embedded server's process, while it runs.
    pub(crate) fn server(&self) -> Option<Pid> {
        self.folder.server()
    }
}

impl Folder {
    fn data_dir(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn server(&self) -> Option<Pid> {
        let record = fs::read_to_string(self.data_dir().join("postgres/postmaster.pid")).ok()?;
        let pid = Pid::from_raw(record.lines().next()?.trim().parse().ok()?)?;
        test_kill_process(pid).is_ok().then_some(pid)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(server) = self.server() {
            let _ = kill_process(server, Signal::QUIT);
        }
    }
}

impl Running {
    pub(crate) async fn wait_until_ready(&mut self) {
        let admin = self.admin;
        self.wait_for("readiness", async || get(admin, "/readyz").await.starts_with("HTTP/1.1 200")).await;
    }

    pub(crate) async fn wait_for(&mut self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let mut look = interval(Duration::from_millis(10));
        let met = async {
            while !condition().await {
                let ended = self.child.try_wait().expect("ours");
                assert!(ended.is_none(), "ended before {what}: {}", told(&self.stderr));
                look.tick().await;
            }
        };
        assert!(timeout(START, met).await.is_ok(), "no {what} in time: {}", self.told());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).expect("it runs");
    }

    /// The exit code, which must come in time; none after a kill.
    pub(crate) async fn end(&mut self) -> Option<i32> {
        let ended = timeout(END, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("does not end: {}", self.told())).expect("ours").code()
    }

    /// What it said to people.
    pub(crate) fn told(&self) -> String {
        told(&self.stderr)
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().expect("not ended").cast_signed();
        Pid::from_raw(id).expect("not zero")
    }
}

/// `GET`, the whole answer as text; empty when nobody answers.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")).await
}

/// The same with somebody's token.
pub(crate) async fn get_as(address: SocketAddr, path: &str, token: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    exchange(address, &format!("{head}authorization: Bearer {token}\r\n\r\n")).await
}

/// `POST` of JSON, likewise.
pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> String {
    send(address, path, "", body).await
}

/// The same with somebody's token.
pub(crate) async fn post_as(address: SocketAddr, path: &str, token: &str, body: &str) -> String {
    send(address, path, &format!("authorization: Bearer {token}\r\n"), body).await
}

async fn send(address: SocketAddr, path: &str, header: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{header}");
    let content = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    exchange(address, &(head + &content)).await
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address).await
        && stream.write_all(request.as_bytes()).await.is_ok()
    {
        // Cut off half-way is as good as no answer.
        let _ = stream.read_to_string(&mut answer).await;
    }
    answer
}

fn told(stderr: &PathBuf) -> String {
    fs::read_to_string(stderr).unwrap_or_default()
}
