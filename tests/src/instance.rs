//! One instance of a service as the real program, beside the services of a stack: it can be killed and frozen,
//! and can have a clock of its own.

use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use test_support::ports;
use tokio::process::{Child, Command};

use crate::{
    door::Door,
    folder, logs,
    program::{binary, ready},
    services::{Addresses, Service},
    settings::Variables,
};

/// The program, running or not; its addresses and its log stay.
#[derive(Debug)]
pub struct Instance {
    service: Service,
    pub(crate) addresses: Addresses,
    admin: SocketAddr,
    settings: Variables,
    log: PathBuf,
    child: Option<Child>,
}

// === impl Instance ===

impl Instance {
    /// An instance that listens at the service's addresses of `addresses`. Not started yet.
    pub(crate) fn new(service: Service, addresses: Addresses, mut settings: Variables) -> Result<Self> {
        let admin = ports::free();
        settings.extend(addresses.settings());
        settings.extend(addresses.listeners(service));
        let name = service.name();
        // So that each can be given a file of its own.
        for value in settings.values_mut() {
            *value = value.replace("{service}", name);
        }
        settings.insert(format!("{}_ADMIN_LISTEN", name.to_uppercase()), admin.to_string());
        let log = folder::target("programs")?.join(format!("{name}-{}.log", admin.port()));
        let _ = fs::remove_file(&log);
        Ok(Self { service, addresses, admin, settings, log, child: None })
    }

    /// Sets a variable for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "runs already");
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = Command::new(binary(self.service.program())?)
            .arg("serve")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let child = self.child.insert(child);
        ready(child, &Door::new(self.admin)?, &self.log).await
    }

    /// SIGKILL, waited for.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("does not run")?;
        Ok(child.kill().await?)
    }

    /// SIGSTOP: connections stay open, the system still accepts new ones, nothing is answered.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Whether it runs; false once it has ended by itself.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.as_mut().context("was not started")?.try_wait()?.is_none())
    }

    /// Its name, for whoever reads a failure.
    pub fn name(&self) -> String {
        format!("{} at {}", self.service.program(), self.address())
    }

    /// Where others call it.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.addresses.of(self.service)
    }

    /// Where it takes sockets, when it is calendar-service.
    pub(crate) const fn sockets(&self) -> SocketAddr {
        self.addresses.sockets()
    }

    /// Where clients go in, when it is a gateway.
    pub fn door(&self) -> Result<Door> {
        Door::new(self.addresses.gateway)
    }

    /// Where the operator looks.
    pub fn operator(&self) -> Result<Door> {
        Door::new(self.admin)
    }

    /// Its log, since the first start.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The errors in the log, since the first start.
    pub fn errors(&self) -> Vec<String> {
        self.log().lines().filter(|line| logs::is_error(line)).map(str::to_owned).collect()
    }

    /// The sum of a metric over its labels, as it says by itself.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        self.metric_of(name, "").await
    }

    /// The same, of the series with this text among their labels.
    pub async fn metric_of(&self, name: &str, label: &str) -> Result<f64> {
        let metrics = self.operator()?.get("/metrics").await?.expect(200)?;
        let series = format!("{name}{{");
        let lines = metrics.text.lines().filter(|line| line.starts_with(&series) && line.contains(label));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.as_ref().and_then(Child::id).context("does not run")?;
        let pid = Pid::from_raw(id.cast_signed()).context("not a process id")?;
        Ok(kill_process(pid, signal)?)
    }
}
