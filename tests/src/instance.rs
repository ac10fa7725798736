//! One instance of a service as the real program, beside the services of a stack: it can be killed, and can
//! have a clock of its own.

use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::{Child, Command};

use crate::{
    door::Door,
    folder, ports,
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
        let admin = ports::free()?;
        settings.extend(addresses.settings());
        settings.extend(addresses.listeners(service));
        let name = service.name();
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

    /// Its log, since the first start.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The sum of a metric over its labels, as it says by itself.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let metrics = Door::new(self.admin)?.get("/metrics").await?.expect(200)?;
        let lines = metrics.text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }
}
