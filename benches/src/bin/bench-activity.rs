//! Device events in batches: how many a second are durable, and how soon the
//! rules have seen them.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use load_benches::{
    account::{Account, create_accounts},
    activity::{ActivityService, Batches, Direct, Inbox, Posted},
    goal::{Goal, Goals, figure},
    interrupt::or_interrupted,
    load::{self, Caller, Outcome},
    postgres::Postgres,
    system::{CpuTimes, System},
    table::Table,
};

/// Posts batches of events through the gateway, then by gRPC alone. A batch is
/// answered when it is committed.
#[derive(Clone, Debug, Parser)]
struct Settings {
    /// Seconds of one round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of each load.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Callers at once, each with an account of its own.
    #[arg(long, default_value_t = 8)]
    callers: usize,
    /// Events of a batch; a thousand at most.
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// Devices of each caller.
    #[arg(long, default_value_t = 50)]
    devices: usize,
}

/// What every part needs.
struct Bench {
    settings: Settings,
    system: System,
    activity: ActivityService,
    inbox: Inbox,
    table: Table,
}

/// A load, over some rounds.
#[derive(Default)]
struct Trial {
    outcome: Outcome,
    cpu: CpuTimes,
    activity: Duration,
    backlog: u64,
    drained: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    or_interrupted(Box::pin(run(Settings::parse()))).await
}

async fn run(settings: Settings) -> Result<()> {
    let system = System::start("activity").await?;
    let activity = ActivityService::start(&system).await?;
    let pool = Postgres::pool(&system.postgres.activity_url()).await?;
    let accounts = create_accounts(&system.auth_uri, "wearer", settings.callers).await?;
    let head =
        ["load", "events/s", "p50 ms", "p99 ms", "gateway", "activity", "PostgreSQL", "load", "seen/s after"];
    let title = format!("Batches of {} events, durable; CPU in µs an event, by process", settings.batch);
    let inbox = Inbox::new(pool.clone());
    let mut bench = Bench { settings, system, activity, inbox, table: Table::new(&title, head) };
    let mut goals = Goals::new();
    let through = bench.through_the_gateway(&accounts).await?;
    let alone = bench.by_grpc(&accounts).await?;
    println!("{}", bench.table);
    goals.add("events a second, durable, through the gateway", "1/s", Goal::AtLeast(50_000.0), through);
    goals.note("the same by gRPC alone", "1/s", alone);
    goals.print();
    pool.close().await;
    bench.activity.stop().await?;
    bench.system.stop().await
}

// === impl Bench ===

impl Bench {
    fn batches(&self) -> Batches {
        Batches::new(self.settings.devices, self.settings.batch)
    }

    async fn through_the_gateway(&mut self, accounts: &[Account]) -> Result<f64> {
        let mut callers = Vec::new();
        for account in accounts {
            callers.push(Posted::connect(self.system.gateway_address, account, self.batches()).await?);
        }
        self.trial("POST /v1/event", callers).await
    }

    async fn by_grpc(&mut self, accounts: &[Account]) -> Result<f64> {
        let connect = |account| Direct::connect(self.activity.uri(), account, self.batches());
        let callers = accounts.iter().map(connect).collect::<Result<Vec<_>>>()?;
        self.trial("RecordEvents", callers).await
    }

    /// Some rounds; the rules come to an end after each. Answers events a second.
    async fn trial<C: Caller>(&mut self, name: &str, callers: Vec<C>) -> Result<f64> {
        let time = Duration::from_secs(self.settings.seconds);
        let (mut callers, _) = load::run(callers, time / 5).await?;
        self.inbox.drained().await?;
        let mut trial = Trial::default();
        for _ in 0..self.settings.rounds {
            let kept = self.inbox.kept().await?;
            let before = (self.system.cpu_times()?, self.activity.process().cpu_time()?);
            let (back, outcome) = load::run(callers, time).await?;
            trial.cpu += self.system.cpu_times()? - before.0;
            trial.activity += self.activity.process().cpu_time()?.saturating_sub(before.1);
            trial.backlog += self.inbox.depth().await?;
            let sent = outcome.requests * self.settings.batch as u64;
            let there = self.inbox.kept().await? - kept;
            ensure!(there == sent, "{sent} were answered, {there} are there");
            trial.drained += self.inbox.drained().await?;
            trial.outcome.merge(outcome);
            callers = back;
        }
        self.table.row(trial.row(name, self.settings.batch));
        Ok(trial.rate(self.settings.batch))
    }
}

// === impl Trial ===

impl Trial {
    fn rate(&self, batch: usize) -> f64 {
        self.outcome.rate() * batch as f64
    }

    fn row(&self, name: &str, batch: usize) -> [String; 9] {
        let events = (self.outcome.requests * batch as u64) as f64;
        let micros = |cpu: Duration| figure(cpu.as_secs_f64() * 1e6 / events);
        let millis = |percent| figure(self.outcome.latencies.percentile(percent).as_secs_f64() * 1e3);
        [
            name.to_owned(),
            figure(self.rate(batch)),
            millis(50.0),
            millis(99.0),
            micros(self.cpu.gateway),
            micros(self.activity),
            micros(self.cpu.postgres),
            micros(self.cpu.load),
            figure(self.backlog as f64 / self.drained.as_secs_f64()),
        ]
    }
}
