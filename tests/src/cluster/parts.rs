//! One part of a cluster: killed, ended in order, started again.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    sync::PoisonError,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::{net::TcpStream, time::Instant};

use super::Cluster;
use crate::{
    door::Door,
    program::STOP,
    wait::{until, until_within},
};

/// From a start until a part is ready: the slowest is RabbitMQ.
const START: Duration = Duration::from_mins(1);
/// Whoever tends a process starts it again after a pause.
const PAUSE: Duration = Duration::from_secs(1);
/// Where a service says whether it is ready: its admin listener has a port of this kind in the settings.
const ADMIN: &str = "807";

/// A part that was started again: a child of ours, no longer of the script's.
#[derive(Debug)]
pub(super) struct Started {
    child: Child,
    at: Instant,
}

// === impl Cluster ===

impl Cluster {
    /// SIGKILL to one part; returns when it is gone. Nobody starts it again.
    pub async fn kill(&self, part: &str) -> Result<()> {
        let pid = self.pid(part)?;
        kill_process(pid, Signal::KILL)?;
        until(&format!("the end of {part}"), async || self.has_ended(part, pid).then_some(())).await
    }

    /// SIGTERM to one part, which must end by itself within the contract's time, and with 0.
    pub async fn terminate(&self, part: &str) -> Result<()> {
        let pid = self.pid(part)?;
        kill_process(pid, Signal::TERM)?;
        let ended = until_within(STOP, "an end", async || self.has_ended(part, pid).then_some(())).await;
        ended.with_context(|| format!("{part} after SIGTERM"))?;
        // The code of a process that the script has started is the script's to know.
        let code = self.child(part, pid, |child| child.try_wait().ok().flatten()).flatten();
        let code = code.with_context(|| format!("{part} was not started again before"))?;
        ensure!(code.success(), "{part} ended with {code}");
        Ok(())
    }

    /// Starts a part again, and again when it ends at once, as whoever tends it does; returns when it is ready.
    pub async fn revive(&self, part: &str) -> Result<()> {
        let ready = until_within(START, "readiness", async || match self.start_again(part) {
            Ok(()) => self.is_ready(part).await.ok()?.then_some(Ok(())),
            Err(error) => Some(Err(error)),
        });
        ready.await.with_context(|| part.to_owned())?
    }

    /// Whether a service says that it is ready; whether any other part takes connections.
    pub async fn is_ready(&self, part: &str) -> Result<bool> {
        if let Ok(operator) = self.operator(part) {
            let answer = operator.call(reqwest::Method::GET, "/readyz").within(Duration::from_secs(1));
            return Ok(answer.send().await.is_ok_and(|answer| answer.status == 200));
        }
        let ports = self.ports(part)?;
        let (_, port) = ports.first().with_context(|| format!("{part} has no port"))?;
        Ok(TcpStream::connect(("127.0.0.1", *port)).await.is_ok())
    }

    /// The admin listener of a service.
    pub fn operator(&self, part: &str) -> Result<Door> {
        let ports = self.ports(part)?;
        let admin = ports.iter().find(|(name, _)| name.starts_with(ADMIN));
        let (_, port) = admin.with_context(|| format!("{part} has no admin listener"))?;
        Door::new(SocketAddr::from(([127, 0, 0, 1], *port)))
    }

    /// The ports that a part has, by what stands for them in the settings.
    pub(super) fn ports(&self, part: &str) -> Result<Vec<(String, u16)>> {
        let ports = self.map["parts"][part]["ports"].as_object().context("no such part")?;
        let port = |(name, port): (&String, &serde_json::Value)| {
            Some((name.clone(), u16::try_from(port.as_u64()?).ok()?))
        };
        ports.iter().map(|one| port(one).context("no port")).collect()
    }

    /// Starts it, unless it runs or has just been started.
    fn start_again(&self, part: &str) -> Result<()> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Started { child, at }) = started.get_mut(part)
            && (child.try_wait()?.is_none() || at.elapsed() < PAUSE)
        {
            return Ok(());
        }
        let start = self.file(&format!("start/{part}"));
        // In a process group of its own, as those that the cluster has started.
        let child = Command::new(start).process_group(0).spawn()?;
        started.insert(part.to_owned(), Started { child, at: Instant::now() });
        Ok(())
    }

    fn pid(&self, part: &str) -> Result<Pid> {
        let record = fs::read_to_string(self.file(&format!("pids/{part}")));
        let record = record.with_context(|| format!("no such part: {part}"))?;
        Pid::from_raw(record.trim().parse()?).context("no process id")
    }

    /// The process, where it is a child of ours.
    fn child<T>(&self, part: &str, pid: Pid, look: impl FnOnce(&mut Child) -> T) -> Option<T> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let child = &mut started.get_mut(part)?.child;
        (child.id() == pid.as_raw_nonzero().get().cast_unsigned()).then(|| look(child))
    }

    fn has_ended(&self, part: &str, pid: Pid) -> bool {
        let ended = self.child(part, pid, |child| child.try_wait().is_ok_and(|code| code.is_some()));
        ended.unwrap_or_else(|| is_over(pid))
    }
}

/// Whether a process is gone, or waits for a parent that does not look.
fn is_over(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_err() || state.is_ok_and(|state| state.contains(") Z "))
}
