//! One system under crashes: the real program over databases of its own.

use std::{fmt, os::unix::process::ExitStatusExt as _, time::Duration};

use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use serde_json::{Value, json};
use system_tests::{
    databases::Databases,
    person::{Person, event},
    program::Program,
    truth::{Truth, Unfinished},
    wait::{until, until_within},
};
use tokio::time::Instant;

/// PROMISES: every saga ends within this of the last restart.
const OVER_WITHIN: Duration = Duration::from_secs(10);

/// What an armed point does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL of the whole process.
    Kill,
    /// The step never returns: a timeout before the peer did it, or after.
    Hang,
    /// The step answers `unavailable`.
    Refuse,
}

/// Two members of a calendar, in a program that is started again and again.
pub(super) struct Lane {
    pub(super) program: Program,
    pub(super) truth: Truth,
    pub(super) ann: Person,
    pub(super) bob: Person,
    /// Of the calendar `Family`.
    pub(super) calendar_id: String,
    databases: Databases,
}

/// One line per case that went wrong.
pub(super) type Failures = Vec<String>;

// === impl Fault ===

impl Fault {
    pub(super) const ALL: [Self; 3] = [Self::Kill, Self::Hang, Self::Refuse];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Hang => "hang",
            Self::Refuse => "refuse",
        })
    }
}

// === impl Lane ===

impl Lane {
    /// Runs, with nothing armed. Ann owns `Family`, Bob is in it.
    pub(super) async fn open(name: &str) -> Result<Self> {
        let databases = Databases::fresh().await?;
        let mut program = Program::over(name, &databases)?;
        program.start().await?;
        let door = program.door()?;
        let (ann, bob) = (door.person("ann").await?, door.person("bob").await?);
        let calendar_id = ann.create_calendar("Family").await?;
        bob.join("Family").await?;
        let truth = Truth::of(&databases)?;
        Ok(Self { program, truth, ann, bob, calendar_id, databases })
    }

    /// Ends with SIGKILL what runs, and starts it with these points armed.
    pub(super) async fn restart(&mut self, armed: &str) -> Result<()> {
        if self.program.is_running()? {
            self.program.kill().await?;
        }
        self.program.set("FAILPOINTS", armed);
        self.program.start().await
    }

    /// Waits until a request gets as far as calendar-service: it may have no token keys yet.
    pub(super) async fn is_open(&self) -> Result<()> {
        let path = format!("/calendar/calendars/{}/changes?limit=1", self.calendar_id);
        let look = async || self.ann.get(&path).await.ok().filter(|answer| answer.status == 200).map(drop);
        until("an answer of calendar-service", look).await
    }

    /// How often the point was hit, in all runs.
    pub(super) fn hits(&self, point: &str) -> usize {
        self.program.log().matches(&format!("\"failpoint\":\"{point}\"")).count()
    }

    /// Waits until the point was hit once more than `before`.
    pub(super) async fn reaches(&self, point: &str, before: usize) -> Result<()> {
        until("the crash point", async || (self.hits(point) > before).then_some(()))
            .await
            .with_context(|| format!("{point} was never reached"))
    }

    /// Waits for the death at a point, and starts the program with nothing armed.
    pub(super) async fn dies_and_restarts(&mut self) -> Result<()> {
        let status = self.program.ended().await?;
        ensure!(status.signal() == Some(9), "ended with {status}, not by SIGKILL");
        self.restart("").await
    }

    /// Both of them take part in this event of this calendar.
    pub(super) fn event(calendar: &str, name: &str) -> Value {
        let mut event = event(calendar, name);
        event["participants"] = json!(["ann", "bob"]);
        event
    }

    /// Fails unless everything is over in time and the databases agree.
    pub(super) async fn is_over_in_time(&self) -> Result<Duration> {
        let since = Instant::now();
        let mut last = None;
        let over = until_within(OVER_WITHIN, "every saga is over", async || {
            last = self.truth.unfinished().await.ok();
            last.filter(Unfinished::is_nothing)
        });
        over.await.map_err(|error| error.context(format!("left: {last:?}")))?;
        let took = since.elapsed();
        let orphans = self.truth.orphans().await?;
        ensure!(orphans.is_empty(), "orphans: {orphans:?}");
        Ok(took)
    }

    /// Ends the program and drops the databases.
    pub(super) async fn close(mut self) -> Result<()> {
        if self.program.is_running()? {
            self.program.kill().await?;
        }
        self.truth.close().await;
        self.databases.remove().await
    }
}

/// Runs lanes side by side; fails with every line that any of them answered.
pub(super) async fn side_by_side(
    lanes: impl IntoIterator<Item: Future<Output = Result<Failures>>>,
) -> Result<()> {
    let mut failures = Vec::new();
    for lane in join_all(lanes).await {
        failures.extend(lane?);
    }
    ensure!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}
