//! One service of the product, its real binary, as a process of its own.

use std::{
    array,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use test_support::ports;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{http_client::HttpClient, process::Process};

/// How long a service may take until it is ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long it may take to drain.
const END_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// A running service.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    child: Child,
    process: Process,
    admin: SocketAddr,
    log: PathBuf,
}

/// Loopback addresses that nobody listens on, and that no other call gives away.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    array::from_fn(|_| ports::free())
}

// === impl Service ===

impl Service {
    /// Starts the binary `name` that was built beside this program, with these
    /// settings and no others, its log in `folder`.
    pub fn start(
        name: &'static str,
        folder: &Path,
        admin: SocketAddr,
        settings: &[(&str, String)],
    ) -> Result<Self> {
        Self::start_one(name, name, folder, admin, settings)
    }

    /// Likewise under another program, which is given its path and argument.
    pub fn start_under(
        wrapper: &[String],
        name: &'static str,
        folder: &Path,
        admin: SocketAddr,
        settings: &[(&str, String)],
    ) -> Result<Self> {
        Self::spawn(wrapper, (name, name), folder, admin, settings)
    }

    /// Likewise one of several, whose log has the name `instance`.
    pub fn start_one(
        name: &'static str,
        instance: &str,
        folder: &Path,
        admin: SocketAddr,
        settings: &[(&str, String)],
    ) -> Result<Self> {
        Self::spawn(&[], (name, instance), folder, admin, settings)
    }

    fn spawn(
        wrapper: &[String],
        (name, instance): (&'static str, &str),
        folder: &Path,
        admin: SocketAddr,
        settings: &[(&str, String)],
    ) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name(name);
        let log = folder.join(format!("{instance}.log"));
        let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut words = wrapper.iter().map(Path::new).chain([program.as_path(), Path::new("serve")]);
        let first = words.next().context("nothing to start")?;
        let child = Command::new(first)
            .args(words)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}: is it there?", first.display()))?;
        let pid = child.id().context("it ended at once")?;
        Ok(Self { name, child, process: Process::new(pid), admin, log })
    }

    /// The process.
    pub const fn process(&self) -> Process {
        self.process
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while !is_ready(self.admin).await {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("{} does not get ready, see {}", self.name, self.log.display());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid as i32)) {
            kill_process(pid, Signal::TERM)?;
        }
        // Past that time it is killed, by the drop.
        let _ = timeout(END_WITHIN, self.child.wait()).await;
        Ok(())
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    match HttpClient::connect(admin).await {
        Ok(mut client) => client.call(request).await.is_ok_and(|answer| answer.status == 200),
        Err(_) => false,
    }
}
