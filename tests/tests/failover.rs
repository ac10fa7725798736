//! PROMISES, "PostgreSQL … failed over to its standby": a primary with two standbys, one of which
//! has every commit before it is answered.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::{
    follower::Follower,
    ledger::{Ledger, Verdict},
    load::{Honesty, Load},
    person::Person,
    proxy::Proxy,
    services::Service,
    stack::{Builder, Stack},
    trio::{Name, Trio},
    truth::Truth,
    wait::{PATIENCE, until, until_within},
};

/// Acknowledged before and after each fault.
const BUSY: usize = 15;
/// PROMISES: from a database that serves to writes that flow.
const FLOWING: Duration = Duration::from_secs(5);

/// A system under load, over three servers.
struct Scene {
    ledger: Arc<Ledger>,
    ann: Person,
    calendar: String,
    follower: Follower,
    /// What the follower was not there for.
    start: i64,
    load: Load,
}

/// A system that knows all three servers.
async fn stack(trio: &Trio, builder: Builder) -> Result<Stack> {
    let builder = builder.databases(trio.databases());
    let builder = trio.replicas().iter().fold(builder, |builder, (name, urls)| builder.set(name, urls));
    let stack = builder.start().await?;
    // A connection may be lost while a server is asked what it is.
    stack.expect_error("error returned from after_connect");
    Ok(stack)
}

/// Waits until every service has seen that another server takes writes.
async fn is_seen_by_all(stack: &Stack) -> Result<()> {
    for service in ["auth", "calendar", "notification", "activity"] {
        let label = format!("service=\"{service}\"");
        until("a former primary that was seen", async || {
            let metrics = stack.metrics();
            let mut lines = metrics.lines().filter(|line| line.starts_with("database_former_primaries{"));
            lines.any(|line| line.contains(&label) && line.ends_with(" 1")).then_some(())
        })
        .await?;
    }
    Ok(())
}

// === impl Scene ===

impl Scene {
    async fn set(stack: &Stack, name: &str) -> Result<Self> {
        let ledger = Arc::new(Ledger::open(name)?);
        let ann = stack.person("ann").await?;
        let calendar = ann.create_calendar("Family").await?;
        let follower = Follower::start(&stack.person("carol").await?, "Family").await?;
        let start = stack.truth().seqs(&calendar).await?.last().copied().unwrap_or_default();
        let load = Load::start(std::slice::from_ref(&ann), "Family", &ledger, Honesty::Honest);
        Ok(Self { ledger, ann, calendar, follower, start, load })
    }

    /// Waits until more was acknowledged and something is under way.
    async fn is_busy(&self, limit: Duration) -> Result<()> {
        let enough = self.ledger.acked() + BUSY;
        until_within(limit, "acknowledgements", async || (self.ledger.acked() >= enough).then_some(()))
            .await?;
        until("something under way", async || (self.ledger.in_flight() > 0).then_some(())).await
    }

    /// Stops the load and holds the ledger against the truth and against who listened.
    async fn end(self, stack: &Stack) -> Result<Verdict> {
        self.load.stop().await?;
        stack.truth().settles().await?;
        let mut verdict = self.ledger.judge(&written(stack.truth()).await?);
        let seqs = stack.truth().seqs(&self.calendar).await?;
        let last = seqs.last().copied().unwrap_or_default();
        ensure!(seqs.iter().copied().eq(1..=last), "the log has gaps: {seqs:?}");
        self.follower.reaches(last).await?;
        verdict.hear("carol", &self.follower.seqs(), self.start + 1..=last);
        Ok(verdict)
    }

    /// What was answered so far with anything but a yes. Somebody may wait for an answer.
    fn without_success(&self) -> usize {
        let verdict = self.ledger.judge(&[]);
        (verdict.refused + verdict.unknown).saturating_sub(self.ledger.in_flight())
    }
}

/// What is there of what the ledger knows.
async fn written(truth: &Truth) -> Result<Vec<String>> {
    let mut there = truth.event_names().await?;
    there.retain(|name| !name.starts_with("entry "));
    there.extend(truth.messages().await?);
    Ok(there)
}

/// How many reads could have been served by a standby, by what became of them.
fn standby_reads(stack: &Stack, outcome: &str) -> u64 {
    let label = format!("outcome=\"{outcome}\"");
    let metrics = stack.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("calendar_standby_reads_total{"));
    let line = lines.into_iter().find(|line| line.contains(&label));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

/// Somebody who writes and reads in turn, and must find what they wrote, whoever answers.
struct Diarist {
    person: Person,
    calendar: String,
    written: usize,
}

impl Diarist {
    async fn new(stack: &Stack, name: &str) -> Result<Self> {
        let person = stack.person(name).await?;
        let calendar = person.create_calendar(name).await?;
        Ok(Self { person, calendar, written: 0 })
    }

    async fn write(&mut self) -> Result<()> {
        let entry = format!("entry {}", self.written);
        self.person.create_event(&self.person.name, &entry).await?.expect(201)?;
        self.written += 1;
        Ok(())
    }

    /// Each kind of read that may go to a standby.
    async fn must_find_everything(&self) -> Result<()> {
        let count = |list: &Value| list.as_array().map_or(0, Vec::len);
        let page = format!("/calendar/calendars/{}/events?limit=1000", self.calendar);
        let page = self.person.get(&page).await?.expect(200)?;
        ensure!(count(&page["events"]) == self.written, "{} of {}", count(&page["events"]), self.written);
        let joined = self.person.get("/calendar/get_events").await?.expect(200)?;
        ensure!(count(&joined["events"]) == self.written, "{} in all", count(&joined["events"]));
        let changes = self.person.changes(&self.calendar).await?;
        let created = changes.iter().filter(|change| change.to_string().contains("entry ")).count();
        ensure!(created == self.written, "{created} of {} in the log", self.written);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acked_is_lost_when_a_standby_and_then_the_primary_is_killed() -> Result<()> {
    let mut trio = Trio::start("failover").await?;
    let mut stack = stack(&trio, Stack::builder()).await?;
    let scene = Scene::set(&stack, "failover").await?;
    let mut diarist = Diarist::new(&stack, "dave").await?;
    scene.is_busy(FLOWING).await?;

    // The loss of a standby stops nothing.
    let before = scene.without_success();
    for round in 0..10 {
        if round == 5 {
            trio.kill(Name::B).await?;
        }
        diarist.write().await?;
        diarist.must_find_everything().await?;
    }
    scene.is_busy(FLOWING).await?;
    // One that was answered between two looks at the ledger may seem to be one.
    ensure!(scene.without_success() <= before + 1, "somebody noticed the loss of a standby");
    ensure!(standby_reads(&stack, "served") > 0, "no standby was read");
    trio.start_again(Name::B).await?;
    trio.is_followed_by(Name::First, 2).await?;

    // The loss of the primary stops writes, until a standby is promoted and the other one follows it.
    scene.is_busy(FLOWING).await?;
    trio.kill(Name::First).await?;
    until("a refusal", async || (scene.without_success() > before + 1).then_some(())).await?;
    let (ahead, behind) = trio.by_progress().await?;
    trio.promote(ahead).await?;
    trio.follow(behind, ahead).await?;
    scene.is_busy(PATIENCE).await.context("after the promotion")?;
    stack.trust(trio.truth(ahead)?);

    // The old primary comes back as one, and everybody knows; also whoever starts now.
    trio.start_again(Name::First).await?;
    let untouched = trio.next_transaction(Name::First).await?;
    is_seen_by_all(&stack).await?;
    scene.is_busy(FLOWING).await?;
    stack.restart(Service::Calendar).await?;
    scene.is_busy(PATIENCE).await.context("after a restart")?;
    stack.restart(Service::Auth).await?;
    scene.is_busy(PATIENCE).await.context("after another restart")?;
    diarist.write().await?;
    let served = standby_reads(&stack, "served");
    until("a read from the standby of the new primary", async || {
        diarist.must_find_everything().await.ok()?;
        (standby_reads(&stack, "served") > served).then_some(())
    })
    .await?;

    let verdict = scene.end(&stack).await?;
    let touched = trio.next_transaction(Name::First).await?;
    ensure!(touched == untouched, "{} transactions on the former primary", touched - untouched);
    verdict.must_be_clean(7 * BUSY)
}

/// The network to the primary swallows everything, for long enough that another one is promoted, and then
/// gives it back: nobody was told that the connections are dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_cut_off_and_comes_back_is_left_alone() -> Result<()> {
    let mut trio = Trio::start("failover_cut_off").await?;
    let proxy = Proxy::start(trio.databases().address()?).await?;
    let (auth, calendar) = trio.databases().through(proxy.address());
    let builder = Stack::builder()
        .set("AUTH_DATABASE_URL", &auth)
        .set("CALENDAR_DATABASE_URL", &calendar)
        // So few that all of them hang.
        .set("CALENDAR_DATABASE_CONNECTIONS", "4");
    let mut stack = stack(&trio, builder).await?;
    let scene = Scene::set(&stack, "failover_cut_off").await?;
    let erin = stack.person("erin").await?;
    scene.is_busy(FLOWING).await?;
    proxy.freeze();
    until("a refusal", async || (scene.without_success() > 0).then_some(())).await?;
    let (ahead, behind) = trio.by_progress().await?;
    trio.promote(ahead).await?;
    trio.follow(behind, ahead).await?;
    let mut tries = 0;
    until_within(FLOWING, "a write", async || {
        tries += 1;
        erin.create_calendar(&format!("Try {tries}")).await.ok()
    })
    .await?;
    scene.is_busy(PATIENCE).await?;
    stack.trust(trio.truth(ahead)?);

    // What was on its way arrives now, and is answered to nobody.
    proxy.restore();
    is_seen_by_all(&stack).await?;
    scene.is_busy(PATIENCE).await?;
    let untouched = trio.next_transaction(Name::First).await?;
    scene.is_busy(PATIENCE).await?;
    let verdict = scene.end(&stack).await?;
    let touched = trio.next_transaction(Name::First).await?;
    ensure!(touched == untouched, "{} transactions on the former primary", touched - untouched);
    verdict.must_be_clean(4 * BUSY)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_back_in_time() -> Result<()> {
    let trio = Trio::start("failover_lag").await?;
    let stack = stack(&trio, Stack::builder()).await?;
    let mut diarist = Diarist::new(&stack, "dave").await?;
    diarist.write().await?;
    for standby in [Name::A, Name::B] {
        trio.pause_replay(standby, true).await?;
    }
    // Commits wait for a standby to have them, not to show them.
    for _ in 0..5 {
        diarist.write().await?;
        diarist.must_find_everything().await?;
    }
    let stale = trio.truth(Name::A)?;
    ensure!(stale.event_names().await?.len() < diarist.written, "the standby does not lag");
    stale.close().await;
    ensure!(standby_reads(&stack, "behind") > 0, "no standby was asked");
    for standby in [Name::A, Name::B] {
        trio.pause_replay(standby, false).await?;
    }
    let served = standby_reads(&stack, "served");
    until("a standby that has caught up", async || {
        diarist.must_find_everything().await.ok()?;
        (standby_reads(&stack, "served") > served).then_some(())
    })
    .await
}

/// The negative control: a system that knows one address, and servers whose commits wait for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_former_primary_acknowledges_would_be_lost() -> Result<()> {
    let mut trio = Trio::start("failover_forgotten").await?;
    let stack = Stack::builder().databases(trio.databases()).start().await?;
    let scene = Scene::set(&stack, "failover_forgotten").await?;
    trio.wait_for_nobody(Name::First).await?;
    scene.is_busy(FLOWING).await?;
    trio.kill(Name::First).await?;
    let (ahead, _) = trio.by_progress().await?;
    trio.promote(ahead).await?;
    trio.start_again(Name::First).await?;
    let untouched = trio.next_transaction(Name::First).await?;
    scene.is_busy(2 * FLOWING).await?;
    let Scene { ledger, ann, load, .. } = scene;
    load.stop().await?;
    ensure!(trio.next_transaction(Name::First).await? > untouched, "{} wrote nothing", ann.name);
    let truth = trio.truth(ahead)?;
    let verdict = ledger.judge(&written(&truth).await?);
    truth.close().await;
    ensure!(!verdict.lost.is_empty(), "the ledger cannot turn red: {verdict}");
    Ok(())
}
