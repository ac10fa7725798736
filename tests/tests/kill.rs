//! The whole product in one process, with its own PostgreSQL, killed and stopped under load.

use std::sync::Arc;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use system_tests::{
    follower::Follower,
    ledger::{Ledger, Verdict},
    load::{Honesty, Load},
    person::Person,
    program::Program,
    socket::{End, Socket},
    wait::until,
};

/// PROMISES: so often.
const KILLS: usize = 20;
/// Acknowledged between two faults.
const BUSY: usize = 10;

/// A program under load, and somebody who listens.
struct Scene {
    program: Program,
    people: Vec<Person>,
    calendar: String,
    follower: Follower,
    start: i64,
    ledger: Arc<Ledger>,
    load: Load,
}

// === impl Scene ===

impl Scene {
    async fn set(name: &str, honesty: Honesty) -> Result<Self> {
        let ledger = Arc::new(Ledger::open(name)?);
        let mut program = Program::embedded(name)?;
        program.start().await?;
        let door = program.door()?;
        let people = try_join_all(["ann", "bob", "carol"].map(|username| door.person(username))).await?;
        let calendar = people[0].create_calendar("Family").await?;
        for member in &people[1..] {
            member.join("Family").await?;
        }
        let follower = Follower::start(&people[2], "Family").await?;
        let start = program.truth()?.seqs(&calendar).await?.last().copied().unwrap_or_default();
        let load = Load::start(&people[..2], "Family", &ledger, honesty);
        Ok(Self { program, people, calendar, follower, start, ledger, load })
    }

    /// Waits until more was acknowledged and something is under way.
    async fn is_busy(&self) -> Result<()> {
        let enough = self.ledger.acked() + BUSY;
        until("acknowledgements", async || (self.ledger.acked() >= enough).then_some(())).await?;
        until("something under way", async || (self.ledger.in_flight() > 0).then_some(())).await
    }

    /// Stops the load and holds the ledger against database and listener.
    async fn end(self) -> Result<(Program, Verdict)> {
        self.load.stop().await?;
        let truth = self.program.truth()?;
        truth.must_be_whole().await?;
        let mut there = truth.event_names().await?;
        there.extend(truth.messages().await?);
        let mut verdict = self.ledger.judge(&there);
        let seqs = truth.seqs(&self.calendar).await?;
        let last = seqs.last().copied().unwrap_or_default();
        ensure!(seqs.iter().copied().eq(1..=last), "the log has gaps: {seqs:?}");
        self.follower.reaches(last).await?;
        verdict.hear("carol", &self.follower.seqs(), self.start + 1..=last);
        truth.close().await;
        Ok((self.program, verdict))
    }
}

async fn killed(name: &str, honesty: Honesty, kills: usize) -> Result<Verdict> {
    let mut scene = Scene::set(name, honesty).await?;
    for _ in 0..kills {
        scene.is_busy().await?;
        scene.program.kill().await?;
        scene.program.start().await?;
    }
    scene.is_busy().await?;
    ensure!(scene.follower.connections() as usize > kills / 2, "the listener was hardly ever cut off");
    let (program, verdict) = scene.end().await?;
    program.must_have_logged_only(&[])?;
    Ok(verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acked_is_lost_or_doubled_by_twenty_kills() -> Result<()> {
    let verdict = killed("kill", Honesty::Honest, KILLS).await?;
    ensure!(verdict.unknown > 0, "no kill hit a request: {verdict}");
    verdict.must_be_clean(KILLS * BUSY)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_too_early_would_be_caught() -> Result<()> {
    let verdict = killed("kill_hasty", Honesty::Hasty, 3).await?;
    ensure!(!verdict.lost.is_empty(), "the ledger cannot turn red: {verdict}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_says_goodbye_and_loses_nothing() -> Result<()> {
    let mut scene = Scene::set("sigterm", Honesty::Honest).await?;
    let sockets: Vec<Socket> = try_join_all(scene.people.iter().map(Person::socket)).await?;
    for _ in 0..2 {
        scene.is_busy().await?;
        let status = scene.program.terminate().await?;
        ensure!(status.success(), "ended with {status}");
        scene.program.start().await?;
    }
    for socket in &sockets {
        let going = socket.hears("going_away").await?;
        ensure!(going["retry_after_ms"].is_u64(), "{going}");
        ensure!(socket.end().await? == End::Closed(1012));
    }
    scene.is_busy().await?;
    let (program, verdict) = scene.end().await?;
    program.must_have_logged_only(&[])?;
    verdict.must_be_clean(3 * BUSY)
}
