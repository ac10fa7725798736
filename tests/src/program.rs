//! The real `shared-calendar` binary, which can be killed, stopped and frozen.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use test_support::ports;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{
    databases::Databases,
    door::Door,
    folder, logs,
    truth::Truth,
    wait::{until, until_within},
};

/// A debug build recovers a database and starts within this.
const START: Duration = Duration::from_secs(30);
/// CONTRACTS, Operations: SIGTERM to exit.
pub const STOP: Duration = Duration::from_secs(10);

/// The program, running or not; its addresses and data stay.
#[derive(Debug)]
pub struct Program {
    settings: BTreeMap<String, String>,
    public: SocketAddr,
    admin: SocketAddr,
    data: TempDir,
    log: PathBuf,
    child: Option<Child>,
}

// === impl Program ===

impl Program {
    /// The program with a PostgreSQL of its own, as `make run` starts it. Not started yet.
    pub fn embedded(name: &str) -> Result<Self> {
        let (public, admin) = (ports::free(), ports::free());
        // PostgreSQL does not run as root, and must get in.
        let data = tempfile::Builder::new().prefix("calendar-").tempdir_in("/var/tmp")?;
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755))?;
        let logs = folder::target("programs")?;
        let log = logs.join(format!("{name}.log"));
        let _ = fs::remove_file(&log);
        let settings = BTreeMap::from([
            ("GATEWAY_LISTEN".to_owned(), public.to_string()),
            ("ADMIN_LISTEN".to_owned(), admin.to_string()),
            ("RELAY_SOURCE_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("RELAY_CLIENT_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("DATA_DIR".to_owned(), data.path().join("data").display().to_string()),
        ]);
        Ok(Self { settings, public, admin, data, log, child: None }.unlimited())
    }

    /// The program over these databases. Not started yet.
    pub fn over(name: &str, databases: &Databases) -> Result<Self> {
        let mut this = Self::embedded(name)?;
        this.set("AUTH_DATABASE_URL", &databases.auth);
        this.set("CALENDAR_DATABASE_URL", &databases.calendar);
        this.set("NOTIFICATION_DATABASE_URL", &databases.notification);
        this.set("ACTIVITY_DATABASE_URL", &databases.activity);
        Ok(this)
    }

    fn unlimited(mut self) -> Self {
        for (name, value) in crate::limits::raised() {
            self.set(name, &value);
        }
        self
    }

    /// Sets a variable for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// Unsets a variable for the next start.
    pub fn unset(&mut self, name: &str) {
        self.settings.remove(name);
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.ready().await
    }

    /// Starts it.
    pub fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "runs already");
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = Command::new(binary("shared-calendar")?)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let operator = self.operator()?;
        let child = self.child.as_mut().context("does not run")?;
        ready(child, &operator, &self.log).await
    }

    /// Where clients go in.
    pub fn door(&self) -> Result<Door> {
        Door::new(self.public)
    }

    /// Where the operator looks.
    pub fn operator(&self) -> Result<Door> {
        Door::new(self.admin)
    }

    /// Where clients go in.
    pub const fn address(&self) -> SocketAddr {
        self.public
    }

    /// `DATA_DIR`.
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// What is true in its databases: its own, unless it was given others.
    pub fn truth(&self) -> Result<Truth> {
        let sockets = self.data_dir().join("run").display().to_string().replace('/', "%2F");
        let url = |variable: &str, name: &str| {
            let embedded = || format!("postgres://{name}@localhost/{name}?host={sockets}&sslmode=disable");
            self.settings.get(variable).cloned().unwrap_or_else(embedded)
        };
        Truth::at(&url("AUTH_DATABASE_URL", "auth"), &url("CALENDAR_DATABASE_URL", "calendar"))
    }

    /// Whether it runs: false once it has ended by itself.
    pub fn is_running(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    /// SIGKILL, waited for.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("does not run")?;
        Ok(child.kill().await?)
    }

    /// Waits until it has ended by itself, such as at a failpoint.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("does not run")?;
        let status = until("the end of the program", async || child.try_wait().ok().flatten()).await?;
        self.child = None;
        Ok(status)
    }

    /// SIGTERM, and the exit status, which must come in time.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().context("does not run")?;
        timeout(STOP, child.wait()).await.context("does not end after SIGTERM")?.map_err(Into::into)
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.as_ref().and_then(Child::id).context("does not run")?;
        let pid = Pid::from_raw(id.cast_signed()).context("not a process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Its log, since the first start.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The errors in the log, since the first start.
    pub fn errors(&self) -> Vec<String> {
        let log = self.log();
        log.lines().filter(|line| logs::is_error(line)).map(str::to_owned).collect()
    }

    /// Fails when an error was logged that has none of these texts.
    pub fn must_have_logged_only(&self, expected: &[&str]) -> Result<()> {
        let mut errors = self.errors();
        errors.retain(|line| !expected.iter().any(|text| line.contains(text)));
        ensure!(errors.is_empty(), "logged: {}", errors.join("\n"));
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.start_kill();
        }
        // The embedded server outlives its application, by design.
        let record = fs::read_to_string(self.data_dir().join("postgres/postmaster.pid"));
        let pid =
            record.ok().and_then(|record| record.lines().next()?.trim().parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::QUIT);
        }
    }
}

/// Waits until a program says to its operator that it is ready, as long as it runs.
pub(crate) async fn ready(child: &mut Child, operator: &Door, log: &Path) -> Result<()> {
    let mut answer = String::new();
    let ready = until_within(START, "readiness", async || {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(Err(status));
        }
        let asked = operator.get("/readyz").await.ok()?;
        answer = asked.text;
        (asked.status == 200).then_some(Ok(()))
    });
    match ready.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(status)) => bail!("ended with {status}; see {}", log.display()),
        Err(error) => Err(error.context(format!("{answer}; see {}", log.display()))),
    }
}

/// A program of ours, beside the folder that this test was built into.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile =
        test.ancestors().find(|folder| folder.join("deps").is_dir() && folder.join(".fingerprint").is_dir());
    let binary = profile.unwrap_or(Path::new(".")).join(name);
    ensure!(binary.exists(), "no {}: run `cargo build --workspace --bins` first", binary.display());
    Ok(binary)
}
