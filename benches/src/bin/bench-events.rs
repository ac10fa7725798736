//! How much of what PostgreSQL can do alone is left of it through the product.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use load_benches::{
    account::create_accounts,
    event::{Creator, CreatorAlone, Read, Reader, ReaderAlone, fill},
    goal::{Goal, Goals},
    interrupt::or_interrupted,
    load::Caller,
    postgres::Postgres,
    system::System,
    table::Table,
    trial::Trial,
};

/// Prints get_events and create_event through the gateway beside the same SQL
/// on a connection pool of the load program, in turns.
#[derive(Clone, Debug, Parser)]
struct Settings {
    /// Seconds of one round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds of each load.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Callers at once, on both sides.
    #[arg(long, default_value_t = 8)]
    callers: usize,
}

const ALL: Read = Read { calendar: "large", window: None, events: 10_000, is_new: false };
const WEEK: Read = Read {
    calendar: "large",
    window: Some(("2031-01-06T00:00:00Z", "2031-01-13T00:00:00Z")),
    events: 56,
    is_new: false,
};
const FEW: Read = Read { calendar: "small", window: None, events: 20, is_new: false };
const FEW_OF_DECADES: Read = Read { window: Some(("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z")), ..FEW };

/// The reads; the goal is for the small ones. A read of the same window, in which nothing has changed, is
/// told from memory.
const READS: [(&str, Read, Option<f64>); 5] = [
    ("10,000 events", ALL, None),
    ("one week out of 10,000, again", WEEK, Some(0.4)),
    ("one week out of 10,000, never read before", Read { is_new: true, ..WEEK }, Some(0.4)),
    ("20 events, again", FEW, Some(0.4)),
    ("20 events, never read before", Read { is_new: true, ..FEW_OF_DECADES }, Some(0.4)),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    or_interrupted(run(Settings::parse())).await
}

async fn run(settings: Settings) -> Result<()> {
    let system = System::start("events").await?;
    let calendar = Postgres::pool(&system.postgres.calendar_url()).await?;
    let auth = Postgres::pool(&system.postgres.auth_url()).await?;
    let accounts = create_accounts(&system.auth_uri, "writer", settings.callers + 1).await?;
    let (reader, writers) = (&accounts[0], &accounts[1..]);
    fill(&system.calendar_uri, &calendar, reader, "large", 10_000).await?;
    let ids = fill(&system.calendar_uri, &calendar, reader, "small", 20).await?;

    let mut table = Trial::table("get_events and create_event");
    let mut goals = Goals::new();
    for (name, read, goal) in READS {
        let alone = ReaderAlone::new(&calendar, ids.created_by, read)?;
        let mut readers = Vec::new();
        for _ in 0..settings.callers {
            readers.push(Reader::connect(system.gateway_address, reader, read).await?);
        }
        let alone = vec![alone; settings.callers];
        let ratios = compare(&settings, &system, alone, readers, name, &mut table).await?;
        ratios.report(name, goal, &mut goals);
    }
    let twins = system.postgres.twins().await?;
    let (mut alone, mut creators) = (Vec::new(), Vec::new());
    for (number, writer) in writers.iter().enumerate() {
        let name = format!("busy-{number}");
        let ids = fill(&system.calendar_uri, &calendar, writer, &name, 1).await?;
        alone.push(CreatorAlone::new(&calendar, &auth, &twins, ids).await?);
        creators.push(Creator::connect(system.gateway_address, writer, &name).await?);
    }
    let ratios = compare(&settings, &system, alone, creators, "create_event", &mut table).await?;
    ratios.report("create_event", None, &mut goals);
    println!("{table}");
    goals.print();
    for pool in [calendar, auth, twins.calendar, twins.auth] {
        pool.close().await;
    }
    system.stop().await
}

/// The product's share of what PostgreSQL does alone.
#[derive(Clone, Copy, Debug)]
struct Ratios {
    by_rate: f64,
    by_cpu: f64,
}

/// Lets both sides work in turns.
async fn compare<A: Caller, B: Caller>(
    settings: &Settings,
    system: &System,
    mut alone: Vec<A>,
    mut product: Vec<B>,
    name: &str,
    table: &mut Table,
) -> Result<Ratios> {
    let time = Duration::from_secs(settings.seconds);
    alone = Trial::default().round(system, alone, time / 3).await?;
    product = Trial::default().round(system, product, time / 3).await?;
    let (mut bare, mut whole) = (Trial::default(), Trial::default());
    for _ in 0..settings.rounds {
        alone = bare.round(system, alone, time).await?;
        product = whole.round(system, product, time).await?;
    }
    bare.add_to(table, &format!("{name}, PostgreSQL alone"));
    whole.add_to(table, &format!("{name}, gateway"));
    let cost = |trial: &Trial| trial.per_request(trial.cpu.product() + trial.cpu.load);
    Ok(Ratios { by_rate: whole.outcome.rate() / bare.outcome.rate(), by_cpu: cost(&bare) / cost(&whole) })
}

// === impl Ratios ===

impl Ratios {
    fn report(self, name: &str, goal: Option<f64>, goals: &mut Goals) {
        let rate = format!("{name}: requests a second to PostgreSQL alone");
        match goal {
            Some(goal) => goals.add(&rate, "", Goal::AtLeast(goal), self.by_rate),
            None => goals.note(&rate, "", self.by_rate),
        }
        goals.note(&format!("{name}: the same by CPU time"), "", self.by_cpu);
    }
}
