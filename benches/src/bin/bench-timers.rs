//! The durable clock: how fast timers are set, and how they arrive when they are
//! due all at once, evenly, and through a kill.

use std::time::Duration;

use anyhow::{Result, ensure};
use chassis::clock::{Clock as _, SystemClock};
use clap::Parser;
use load_benches::{
    account::{Account, create_accounts},
    goal::{Goal, Goals, figure},
    interrupt::or_interrupted,
    load::{self, Outcome},
    system::{CpuTimes, System},
    table::Table,
    timer::{NotificationService, Receiver, Scheduler, claim_alone, schedule, steady},
};
use tokio::time::{Instant, sleep_until};

/// Sets timers through the gateway and receives their webhooks here.
#[derive(Clone, Debug, Parser)]
struct Settings {
    /// Seconds of each round of setting timers.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Callers at once, for timers in bulk.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// Timers due at one moment.
    #[arg(long, default_value_t = 20_000)]
    burst: usize,
    /// Bursts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Requests at once to one host: the service's default is 32.
    #[arg(long, default_value_t = 256)]
    per_host: u32,
    /// Timers a second, evenly …
    #[arg(long, default_value_t = 1000)]
    steady_rate: u32,
    /// … for so many seconds.
    #[arg(long, default_value_t = 20)]
    steady_seconds: u32,
    /// Timers due when the service is killed half way through.
    #[arg(long, default_value_t = 10_000)]
    killed: usize,
}

/// Far from now: these timers wait until they are told otherwise.
const FAR: u64 = 3600;
/// From the start of the service until a burst is due: it is ready by then.
const NOTICE: Duration = Duration::from_secs(6);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);
/// The goal: so long after a kill everything is delivered.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// What every part needs.
struct Bench {
    settings: Settings,
    system: System,
    clock: NotificationService,
    receiver: Receiver,
    account: Account,
    goals: Goals,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    or_interrupted(Box::pin(run(Settings::parse()))).await
}

async fn run(settings: Settings) -> Result<()> {
    let system = System::start("timers").await?;
    let clock = NotificationService::start(&system, settings.per_host).await?;
    println!("at most {} requests at once to the receiver's host (WEBHOOK_PER_HOST)", settings.per_host);
    let receiver = Receiver::start().await?;
    let account = create_accounts(&system.auth_uri, "timekeeper", 1).await?.remove(0);
    let mut bench = Bench { settings, system, clock, receiver, account, goals: Goals::new() };
    bench.setting().await?;
    bench.bursts().await?;
    bench.evenly().await?;
    bench.killed().await?;
    bench.alone().await?;
    bench.goals.print();
    bench.clock.stop().await?;
    bench.clock.database().close().await;
    bench.system.stop().await
}

// === impl Bench ===

impl Bench {
    async fn schedulers(&self, count: usize, seconds: u64) -> Result<Vec<Scheduler>> {
        let mut schedulers = Vec::with_capacity(count);
        for _ in 0..count {
            let gateway = self.system.gateway_address;
            schedulers.push(Scheduler::connect(gateway, &self.account, seconds, &self.receiver.url()).await?);
        }
        Ok(schedulers)
    }

    /// How fast timers are set, one by one and in bulk.
    async fn setting(&mut self) -> Result<()> {
        let head = ["load", "timers/s", "p50 µs", "p99 µs", "gateway", "notification", "PostgreSQL", "load"];
        let mut table = Table::new("Setting timers through the gateway; CPU in µs a timer, by process", head);
        let time = Duration::from_secs(self.settings.seconds);
        for (name, callers) in [("one by one", 1), ("in bulk", self.settings.callers)] {
            let schedulers = self.schedulers(callers, FAR).await?;
            let (schedulers, _) = load::run(schedulers, time / 3).await?;
            let before = self.cpu()?;
            let (_, outcome) = load::run(schedulers, time).await?;
            let spent = since(before, self.cpu()?);
            table.row(set(&format!("{name}, {callers} at once"), &outcome, spent));
            self.goals.note(&format!("timers set {name}"), "1/s", outcome.rate());
        }
        println!("{table}");
        self.clock.clear().await
    }

    /// All due at one moment.
    async fn bursts(&mut self) -> Result<()> {
        let head = [
            "burst",
            "timers/s",
            "last after s",
            "repeats",
            "early",
            "notification",
            "PostgreSQL",
            "receiver",
        ];
        let title = format!("{} timers due at one moment; CPU in µs a timer", self.settings.burst);
        let mut table = Table::new(&title, head);
        let (mut delivered, mut took) = (0.0, 0.0);
        for round in 1..=self.settings.rounds {
            let due = self.prepare(self.settings.burst).await?;
            let before = self.cpu()?;
            self.receiver.wait_for(self.settings.burst, PATIENCE).await?;
            let spent = since(before, self.cpu()?);
            let arrivals = self.receiver.arrivals();
            let last = arrivals.last_new.map_or(f64::NAN, |at| at.duration_since(due).as_secs_f64());
            let timers = arrivals.distinct() as f64;
            let micros = |cpu: Duration| figure(cpu.as_secs_f64() * 1e6 / timers);
            table.row([
                round.to_string(),
                figure(timers / last),
                figure(last),
                arrivals.repeats().to_string(),
                arrivals.early.to_string(),
                micros(spent.1),
                micros(spent.0.postgres),
                micros(spent.0.load),
            ]);
            ensure!(arrivals.malformed == 0, "{} requests were no webhooks", arrivals.malformed);
            delivered += timers;
            took += last;
        }
        println!("{table}");
        self.goals.add("burst: webhooks delivered", "1/s", Goal::AtLeast(13_000.0), delivered / took);
        Ok(())
    }

    /// Evenly: each timer two seconds from when it was set.
    async fn evenly(&mut self) -> Result<()> {
        self.clock.clear().await?;
        self.receiver.forget();
        let schedulers = self.schedulers(32, 2).await?;
        let Settings { steady_rate, steady_seconds, .. } = self.settings;
        let timers = steady(schedulers, steady_rate, steady_seconds).await?;
        self.receiver.wait_for(timers, PATIENCE).await?;
        let arrivals = self.receiver.arrivals();
        let millis = |percent| arrivals.lateness.percentile(percent).as_secs_f64() * 1e3;
        let title = format!("{steady_rate} timers a second for {steady_seconds} s, while as many are set");
        let mut table = Table::new(&title, ["lateness", "ms"]);
        for percent in [50.0, 99.0, 100.0] {
            table.row([format!("p{percent}"), figure(millis(percent))]);
        }
        println!("{table}");
        self.goals.note("steady: lateness p50", "ms", millis(50.0));
        self.goals.add("steady: lateness p99", "ms", Goal::AtMost(25.0), millis(99.0));
        self.goals.add("steady: fired early", "timers", Goal::AtMost(0.0), arrivals.early as f64);
        Ok(())
    }

    /// kill -9 half way, and a start at once.
    async fn killed(&mut self) -> Result<()> {
        let timers = self.settings.killed;
        self.prepare(timers).await?;
        self.receiver.wait_for(timers / 2, PATIENCE).await?;
        self.clock.kill().await?;
        let killed = Instant::now();
        let before = self.receiver.distinct();
        self.clock.go_on(&self.system).await?;
        sleep_until(killed + AFTER_KILL).await;
        let missing = timers - self.receiver.distinct();
        self.receiver.wait_for(timers, PATIENCE).await?;
        let arrivals = self.receiver.arrivals();
        println!(
            "\nkill -9 after {before} of {timers}: {missing} undelivered {} s later, {} repeated",
            AFTER_KILL.as_secs(),
            arrivals.repeats()
        );
        self.goals.add("kill -9: undelivered 5 s later", "timers", Goal::AtMost(0.0), missing as f64);
        self.goals.note("kill -9: repeated with the same id", "timers", arrivals.repeats() as f64);
        Ok(())
    }

    /// PostgreSQL alone.
    async fn alone(&mut self) -> Result<()> {
        let twin = self.system.postgres.notification_twin().await?;
        let alone = claim_alone(self.clock.database(), &twin, 5 * self.settings.burst, 2).await?;
        twin.close().await;
        self.goals.note("PostgreSQL alone: timers claimed and recorded", "1/s", alone.rate());
        Ok(())
    }

    /// Sets timers, and starts the service anew before they fall due, all at
    /// the moment that is answered.
    async fn prepare(&mut self, timers: usize) -> Result<jiff::Timestamp> {
        self.clock.clear().await?;
        self.receiver.forget();
        schedule(self.schedulers(self.settings.callers, FAR).await?, timers).await?;
        self.clock.stop().await?;
        let (due, moved) = self.clock.make_due(NOTICE).await?;
        ensure!(moved == timers, "{moved} of {timers} timers were waiting");
        self.clock.go_on(&self.system).await?;
        ensure!(SystemClock.now() < due, "notification-service was not ready in {NOTICE:?}");
        Ok(due)
    }

    /// CPU of the system, and of notification-service.
    fn cpu(&self) -> Result<(CpuTimes, Duration)> {
        Ok((self.system.cpu_times()?, self.clock.cpu_time()?))
    }
}

fn since(before: (CpuTimes, Duration), now: (CpuTimes, Duration)) -> (CpuTimes, Duration) {
    (now.0 - before.0, now.1.saturating_sub(before.1))
}

/// A row about setting timers.
fn set(name: &str, outcome: &Outcome, (cpu, notification): (CpuTimes, Duration)) -> [String; 8] {
    let micros = |percent| figure(outcome.latencies.percentile(percent).as_secs_f64() * 1e6);
    let each = |cpu: Duration| figure(cpu.as_secs_f64() * 1e6 / outcome.requests as f64);
    [
        name.to_owned(),
        figure(outcome.rate()),
        micros(50.0),
        micros(99.0),
        each(cpu.gateway),
        each(notification),
        each(cpu.postgres),
        each(cpu.load),
    ]
}
