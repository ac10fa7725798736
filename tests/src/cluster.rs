//! Several instances of everything, as `make cluster` starts them: processes that can be killed one by one.

mod parts;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use self::parts::Started;
use crate::{door::Door, folder, limits, logs, program, truth::Truth, wait::until_within};

/// Three database servers and ten processes of a debug build, on a busy machine.
const START: Duration = Duration::from_mins(2);

/// A running cluster on free ports; dropping it ends all of it, and keeps its logs unless [`Cluster::end`] did it.
#[derive(Debug)]
pub struct Cluster {
    script: Child,
    /// The cluster ends with it, however this process ends.
    alive: Option<ChildStdin>,
    data: TempDir,
    name: &'static str,
    /// What runs where: `cluster.json`.
    map: Value,
    /// What was started again, by name.
    started: Mutex<BTreeMap<String, Started>>,
    went_well: bool,
}

// === impl Cluster ===

impl Cluster {
    /// Starts everything and waits until it is ready. `name` is that of its logs.
    pub async fn start(name: &'static str) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("calendar-").tempdir_in("/var/tmp")?;
        // PostgreSQL does not run as root, and must get in.
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755))?;
        let programs = program::binary("gateway")?;
        let log = fs::File::create(folder::target("programs")?.join(format!("{name}.log")))?;
        let mut script = Command::new(folder::repository().join("scripts/cluster.sh"))
            .env("DATA_DIR", data.path())
            .env("CLUSTER_PORTS", "free")
            .env("CLUSTER_UNTIL", "eof")
            .env("CLUSTER_SCRAPE", "1s")
            .env("CLUSTER_BINARIES", programs.parent().context("no folder")?)
            .envs(limits::raised())
            // Webhooks of tests stay on this machine.
            .env("WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start scripts/cluster.sh")?;
        let alive = script.stdin.take();
        let started = Mutex::default();
        let mut this = Self { script, alive, data, name, map: Value::Null, started, went_well: false };
        this.map = this.ready().await?;
        Ok(this)
    }

    async fn ready(&mut self) -> Result<Value> {
        let map = self.file("cluster.json");
        let script = &mut self.script;
        let ready = until_within(START, "the cluster", async || match script.try_wait() {
            Ok(None) => fs::read_to_string(&map).ok().map(Ok),
            ended => Some(Err(ended)),
        });
        match ready.await? {
            Ok(text) => Ok(serde_json::from_str(&text)?),
            Err(ended) => bail!("scripts/cluster.sh ended: {ended:?}; see target/programs/{}.log", self.name),
        }
    }

    /// Where clients go in: the n-th gateway, from 0.
    pub fn door(&self, n: usize) -> Result<Door> {
        Door::new(self.map["gateways"][n].as_str().context("no such gateway")?.parse()?)
    }

    /// Its Prometheus.
    pub fn prometheus(&self) -> Result<Door> {
        Door::new(self.map["prometheus"].as_str().context("no Prometheus")?.parse()?)
    }

    /// The instances of all services, such as `calendar-2`, those that are called before those that call.
    pub fn instances(&self) -> Vec<&str> {
        let names = self.map["parts"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let mut names: Vec<_> = names.filter(|name| self.operator(name).is_ok()).collect();
        names.sort_by_key(|name| (name.starts_with("gateway"), *name));
        names
    }

    /// What is true in the databases of its primary.
    pub fn truth(&self) -> Result<Truth> {
        let password = fs::read_to_string(self.file("secrets/postgres_password"))?;
        let ports = self.ports("postgres")?;
        let (_, port) = ports.first().context("no PostgreSQL")?;
        let url = |name: &str| format!("postgres://postgres:{}@127.0.0.1:{port}/{name}", password.trim());
        Truth::at(&url("auth"), &url("calendar"))
    }

    /// The errors that its services have logged, each with whose it is.
    pub fn errors(&self) -> Result<Vec<String>> {
        let mut errors = Vec::new();
        for part in self.instances() {
            let log = fs::read_to_string(self.file(&format!("logs/{part}.log")))?;
            let lines = log.lines().filter(|line| logs::is_error(line));
            errors.extend(lines.map(|line| format!("{part}: {line}")));
        }
        Ok(errors)
    }

    /// Ends it, after a test that went well.
    pub fn end(mut self) {
        self.went_well = true;
    }

    /// Whether there are instances of this service, such as `calendar`.
    pub fn has(&self, service: &str) -> bool {
        !self.map["parts"][format!("{service}-1")].is_null()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data.path().join("cluster").join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.alive.take());
        // It waits for its parts, each with a limit.
        let ended = self.script.wait();
        if !self.went_well {
            let kept = keep(&self.file("logs"), self.name);
            eprintln!("the cluster ended: {ended:?}; its logs: {kept:?}");
        }
    }
}

/// Copies logs to where whoever reads the failure finds them.
fn keep(logs: &Path, name: &str) -> Result<PathBuf> {
    let kept = folder::target(&format!("programs/{name}"))?;
    for log in fs::read_dir(logs)? {
        let log = log?;
        fs::copy(log.path(), kept.join(log.file_name()))?;
    }
    Ok(kept)
}
