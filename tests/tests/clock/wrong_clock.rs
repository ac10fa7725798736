//! notification-service on a machine whose clock is wrong: what is due is decided by the database's.
//!
//! Two things go by the service's own clock, and these tests show the first of them: tokens (one that was made
//! "in the future" is refused, closed and not open), and the lifetime of a receiver's certificate.

use anyhow::{Context as _, Result, ensure};
use chassis::clock::{Clock as _, SystemClock};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::PgPool;
use system_tests::{
    instance::Instance,
    person::Person,
    receiver::Receiver,
    services::Service,
    stack::Stack,
    wait::{until, until_within},
    wrong_clock::WrongClock,
};

use super::{ALLOWED, Clock, PATIENCE, event_at, soon};

/// PROMISES: ± 1 h, ± 1 d.
const JUMPS: [(&str, SignedDuration); 4] = [
    ("+1h", SignedDuration::from_hours(1)),
    ("-1h", SignedDuration::from_hours(-1)),
    ("+1d", SignedDuration::from_hours(24)),
    ("-1d", SignedDuration::from_hours(-24)),
];
/// Timers that wait when the clock jumps …
const TIMERS: usize = 4;
/// … for so many seconds: setting them takes less.
const SECONDS: u64 = 4;
/// What a log line or a webhook's timestamp may be off, on a busy machine.
const NEARLY: SignedDuration = SignedDuration::from_mins(2);

/// What became of some timers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    early: usize,
    doubled: usize,
    lost: usize,
}

/// Everything but notification-service keeps the right time.
struct Scene {
    receiver: Receiver,
    clock: WrongClock,
    instance: Instance,
    ann: Person,
    database: PgPool,
    stack: Stack,
}

// === impl Scene ===

impl Scene {
    async fn set() -> Result<Self> {
        let clock = WrongClock::right().await?;
        let receiver = Receiver::start().await?;
        let mut stack = Stack::builder().set(ALLOWED.0, ALLOWED.1).start().await?;
        let ann = stack.person("ann").await?;
        let mut instance = stack.hand_over(Service::Notification).await?;
        for (name, value) in clock.variables() {
            instance.set(name, &value);
        }
        // A line for each delivery: it says what time it was for the service.
        instance.set("LOG", "info,notification_service=debug");
        instance.start().await?;
        let database = PgPool::connect_lazy(&stack.databases().notification)?;
        let scene = Self { receiver, clock, instance, ann, database, stack };
        until("the gateway is back at it", async || scene.lists_timers().await.ok().filter(|s| *s == 200))
            .await?;
        Ok(scene)
    }

    /// Sets timers of so many seconds, all at once.
    async fn timers(&self, seconds: u64) -> Result<Vec<String>> {
        let ask = json!({ "seconds": seconds, "url": self.receiver.url("/hook") });
        let set = (0..TIMERS).map(async |_| {
            let timer = self.ann.post("/timers", ask.clone()).await?.expect(201)?;
            timer.text_at("/id")
        });
        try_join_all(set).await
    }

    /// Waits until all are recorded as delivered, and holds them against what the receiver got.
    async fn verdict(&self, ids: &[String]) -> Result<Verdict> {
        let waiting = until_within(PATIENCE, "deliveries", async || {
            let open: i64 = sqlx::query_scalar("select count(*) from due_work where state = 'open'")
                .fetch_one(&self.database)
                .await
                .ok()?;
            (open == 0).then_some(())
        });
        // Lost ones are for the verdict to count.
        let _ = waiting.await;
        let mut verdict = Verdict::default();
        let received = self.receiver.received();
        for id in ids {
            let requests: Vec<_> = received.iter().filter(|request| request.webhook_id == *id).collect();
            let due = self.due_at("work_id", id).await?;
            // The database is on this machine, and so is the receiver: they have one clock, the right one.
            verdict.early += usize::from(requests.iter().any(|request| request.at < due));
            verdict.doubled += usize::from(requests.len() > 1);
            verdict.lost += usize::from(requests.is_empty());
        }
        Ok(verdict)
    }

    /// When a timer, or the one reminder of an event, is meant to come.
    async fn due_at(&self, column: &str, id: &str) -> Result<Timestamp> {
        let micros: i64 = sqlx::query_scalar(
            "select (extract(epoch from due_at) * 1000000)::bigint from due_work
             where $1::text::uuid = case $2 when 'subject' then subject else work_id end",
        )
        .bind(id)
        .bind(column)
        .fetch_one(&self.database)
        .await?;
        Ok(Timestamp::from_microsecond(micros)?)
    }

    /// The process delivered these at a time that was wrong by `offset` for it, and its receivers were told
    /// the right one: a verifier of Standard Webhooks refuses what is more than five minutes off.
    async fn saw_another_time(&self, ids: &[String], offset: SignedDuration) -> Result<()> {
        let received = self.receiver.received();
        for id in ids {
            let line = until("the log of a delivery", async || self.logged_at(id)).await?;
            let request = received.iter().find(|request| request.webhook_id == *id).context("lost")?;
            let off = line.duration_since(request.at).checked_sub(offset).context("overflow")?;
            ensure!(off.abs() < NEARLY, "it delivered {id} at {line}, {offset:?} was to be seen");
            let said: Timestamp = request.body["timestamp"].as_str().context("no timestamp")?.parse()?;
            ensure!(request.at.duration_since(said).abs() < NEARLY, "{}", request.body);
        }
        Ok(())
    }

    /// When a delivery was, by the clock of the process.
    fn logged_at(&self, id: &str) -> Option<Timestamp> {
        let log = self.instance.log();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut delivered = entries.filter(|entry| entry["message"] == "delivered" && entry["work_id"] == id);
        delivered.next()?["timestamp"].as_str()?.parse().ok()
    }

    async fn lists_timers(&self) -> Result<u16> {
        Ok(self.ann.get("/timers").await?.status)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_clock_is_wrong_fires_nothing_early_twice_or_never() -> Result<()> {
    let mut scene = Scene::set().await?;
    for (jump, offset) in JUMPS {
        // They are set with the right time, as behind it no token is good; then the clock jumps.
        let ids = scene.timers(SECONDS).await?;
        scene.clock.set(jump)?;
        let status = scene.lists_timers().await?;
        ensure!(
            status == if offset.is_negative() { 401 } else { 200 },
            "{jump}: a token is answered {status}"
        );
        let verdict = scene.verdict(&ids).await?;
        ensure!(verdict == Verdict::default(), "{jump}: {verdict:?}");
        scene.saw_another_time(&ids, offset).await?;
        // Back: another jump, with nothing waiting.
        scene.clock.set("+0")?;
    }

    // Killed, and started with a clock that is wrong from the beginning.
    let ids = scene.timers(SECONDS).await?;
    scene.instance.kill().await?;
    scene.clock.set("+1d")?;
    scene.instance.start().await?;
    let verdict = scene.verdict(&ids).await?;
    ensure!(verdict == Verdict::default(), "started a day ahead: {verdict:?}");
    scene.saw_another_time(&ids, SignedDuration::from_hours(24)).await?;

    a_reminder_keeps_its_time(&scene).await?;

    // The control: what goes by a clock that is an hour ahead, here the one that decides, is seen to be early.
    let ids = scene.timers(3600).await?;
    Clock::of(&scene.stack).await?.advance(3600).await?;
    let verdict = scene.verdict(&ids).await?;
    ensure!(verdict == Verdict { early: TIMERS, ..Verdict::default() }, "an hour ahead: {verdict:?}");
    drop(scene.stack);
    Ok(())
}

/// A reminder that is set while the service's clock is a day ahead.
async fn a_reminder_keeps_its_time(scene: &Scene) -> Result<()> {
    scene.ann.create_calendar("Family").await?;
    let by_ann = scene.ann.socket().await?;
    let event = event_at(&scene.ann, soon(11, 0), &[10]).await?;
    let mut clock = Clock::of(&scene.stack).await?;
    clock.knows(&event).await?;
    // Due in two seconds at most.
    let moved = 58;
    clock.advance(moved).await?;
    let is_it = |frame: &Value| frame["type"] == "eventReminder" && frame["event_id"] == event.as_str();
    by_ann.frame("the reminder", is_it).await?;
    let now = SystemClock.now() + SignedDuration::from_secs(moved);
    let due = scene.due_at("subject", &event).await?;
    ensure!(now >= due, "reminded at {now}, {due} was meant");
    clock.advance(-moved).await
}
