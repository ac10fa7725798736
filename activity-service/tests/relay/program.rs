//! `activity-service`, the real binary: started, killed, asked.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use tempfile::TempDir;
use test_support::ports;
use tokio::process::{Child, Command};

use super::{operator, wait::until};

/// One process of the service; addresses and settings stay when it is killed.
pub(crate) struct Program {
    settings: BTreeMap<String, String>,
    pub(crate) sources: SocketAddr,
    pub(crate) clients: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
    child: Option<Child>,
}

/// The address of a test's own database.
pub(crate) fn url(pool: &PgPool) -> String {
    let options = pool.connect_options();
    let database = options.get_database().expect("a database");
    let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
    format!("postgres://{user}@{host}:{port}/{database}")
}

// === impl Program ===

impl Program {
    /// A program over this database, with its relay's ports its own. Not started yet.
    pub(crate) fn new(pool: &PgPool) -> Self {
        let (sources, clients, admin) = (ports::free(), ports::free(), ports::free());
        let folder = tempfile::tempdir().expect("a folder");
        let token = folder.path().join("service-token");
        fs::write(&token, "a token that no other service knows here").expect("written");
        let settings = [
            ("ACTIVITY_DATABASE_URL", url(pool)),
            ("ACTIVITY_GRPC_LISTEN", ports::free().to_string()),
            ("SERVICE_TOKEN_FILE", token.display().to_string()),
            ("ACTIVITY_ADMIN_LISTEN", admin.to_string()),
            ("RELAY_SOURCE_LISTEN", sources.to_string()),
            ("RELAY_CLIENT_LISTEN", clients.to_string()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
        Self { settings, sources, clients, admin, folder, child: None }
    }

    /// With a variable set.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts it.
    pub(crate) fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_activity-service"))
            .arg("serve")
            .env_clear()
            .envs(&self.settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.expect("it starts"));
    }

    /// Starts it and waits until its relay is ready; other services are not there.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        until("readiness of the relay", async || {
            let answer = operator::get(self.admin, "/readyz").await?;
            let missing = answer.contains("relay") || answer.contains("database");
            (answer.contains("\"missing\"") && !missing).then_some(())
        })
        .await;
    }

    /// SIGKILL, waited for.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("killed");
    }

    /// SIGTERM, and whether it ended well.
    pub(crate) async fn terminate(&mut self) -> bool {
        let mut child = self.child.take().expect("it runs");
        kill_process(Self::pid_of(&child), Signal::TERM).expect("signalled");
        child.wait().await.expect("it ends").success()
    }

    /// `activity-service relay reset`.
    pub(crate) async fn reset(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_activity-service"));
        command.args(["relay", "reset"]).env_clear().envs(&self.settings).stdin(Stdio::null());
        assert!(command.status().await.expect("it runs").success());
    }

    /// The sum of a metric over its labels, of those series whose text has `part`.
    pub(crate) async fn metric(&self, name: &str, part: &str) -> f64 {
        let text = operator::get(self.admin, "/metrics").await.unwrap_or_default();
        operator::sum(&text, name, part)
    }

    /// Waits until a metric has a value.
    pub(crate) async fn reaches(&self, name: &str, part: &str, value: f64) {
        let mut last = f64::NAN;
        let reached = async || {
            last = self.metric(name, part).await;
            ((last - value).abs() < 0.5).then_some(())
        };
        until(&format!("{name}{{{part}}} = {value}"), reached).await;
    }

    /// The most memory it ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let pid = self.child.as_ref().and_then(Child::id).expect("it runs");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("readable");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Its log since the first start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn pid_of(child: &Child) -> Pid {
        child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it runs")
    }
}
