//! What the gateway costs an authenticated read: CPU and added latency.

use std::{array, mem, time::Duration};

use anyhow::Result;
use clap::{Parser, Subcommand};
use load_benches::{
    account::{Account, create_accounts},
    bare_relay::{self, BareRelay},
    callgrind,
    goal::{Goal, Goals},
    interrupt::or_interrupted,
    read::{Direct, ThroughGateway},
    system::{Shape, System},
    trial::Trial,
};

/// Prints what the gateway adds to `GET /calendar/calendars`, beside the same
/// call made directly to calendar-service and through a relay that looks at nothing.
#[derive(Debug, Parser)]
struct Settings {
    /// Seconds of one round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds of each load; direct, through the gateway and through the relay take turns.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Endpoints behind it, beside one alone: addresses of one calendar-service, then so many of
    /// calendar-service; 1 leaves that part out.
    #[arg(long, default_value_t = 8)]
    endpoints: usize,
    /// Count the instructions of the gateway instead, under valgrind.
    #[arg(long)]
    instructions: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program is beside itself.
#[derive(Debug, Subcommand)]
enum Part {
    /// The bare relay that the gateway is compared with.
    #[command(name = bare_relay::ARGUMENT, hide = true)]
    BareRelay {
        /// The address of calendar-service.
        calendar_uri: String,
    },
}

/// Connections, with one request each.
const AT_ONCE: [usize; 2] = [1, 16];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    or_interrupted(Box::pin(run(Settings::parse()))).await
}

async fn run(settings: Settings) -> Result<()> {
    if let Some(Part::BareRelay { calendar_uri }) = &settings.part {
        return bare_relay::serve(calendar_uri).await;
    }
    if settings.instructions {
        return count(&settings).await;
    }
    let mut goals = Goals::new();
    alone(&settings, &mut goals).await?;
    if settings.endpoints > 1 {
        compare(&settings, &mut goals).await?;
    }
    goals.print();
    Ok(())
}

/// Prints what a number of endpoints adds, by itself and with an instance behind each. All systems are
/// there at once and take turns: what the machine does meanwhile befalls each of them. Addresses are relays
/// in this program, one address too: what they take counts as the load's.
async fn compare(settings: &Settings, goals: &mut Goals) -> Result<()> {
    let (time, endpoints) = (Duration::from_secs(settings.seconds), settings.endpoints);
    let shapes = [
        ("one instance", Shape::default()),
        ("one address", Shape { doors: 1, ..Shape::default() }),
        ("several addresses", Shape { doors: endpoints, ..Shape::default() }),
        ("several instances", Shape { instances: endpoints, ..Shape::default() }),
    ];
    let mut systems = Vec::with_capacity(shapes.len());
    for (number, (_, shape)) in shapes.into_iter().enumerate() {
        systems.push(start(&format!("gateway-{number}"), shape).await?);
    }
    let mut table = Trial::table(&format!("The same, {endpoints} addresses or instances"));
    for connections in AT_ONCE {
        let mut callers = Vec::with_capacity(systems.len());
        for (system, account) in &systems {
            let connected = ThroughGateway::connect(system.gateway_address, &account.token, connections);
            callers.push(Trial::default().round(system, connected.await?, time).await?);
        }
        let mut trials: [Trial; 4] = array::from_fn(|_| Trial::default());
        for _ in 0..settings.rounds {
            for (((system, _), callers), trial) in systems.iter().zip(&mut callers).zip(&mut trials) {
                *callers = trial.round(system, mem::take(callers), time).await?;
            }
        }
        for ((name, _), trial) in shapes.iter().zip(&trials) {
            trial.add_to(&mut table, &format!("{name}, {connections} at once"));
        }
        let [alone, one, addresses, instances] = trials.map(|trial| trial.per_request(trial.cpu.gateway));
        // What two measurements of the same thing differ by here.
        let most = Goal::AtMost(1.1);
        let at_once = format!("{connections} at once");
        goals.add(
            &format!("gateway CPU with {endpoints} addresses of it with one, {at_once}"),
            "",
            most,
            addresses / one,
        );
        // So many processes take turns at the same cores and caches besides.
        goals.add(
            &format!("gateway CPU with {endpoints} instances of it with one, {at_once}"),
            "",
            most,
            instances / alone,
        );
    }
    println!("{table}");
    for (system, _) in systems {
        system.stop().await?;
    }
    Ok(())
}

/// Prints the gateway's instructions for a request, with one instance behind it and with several.
async fn count(settings: &Settings) -> Result<()> {
    let mut goals = Goals::new();
    let one = instructions(settings, 1).await?;
    goals.note("instructions a request, 1 endpoint", "", one);
    if settings.endpoints > 1 {
        let many = instructions(settings, settings.endpoints).await?;
        goals.note(&format!("instructions a request, {} endpoints", settings.endpoints), "", many);
        let what = format!("instructions with {} endpoints of those with one", settings.endpoints);
        goals.add(&what, "", Goal::AtMost(1.1), many / one);
    }
    goals.print();
    Ok(())
}

/// The gateway's instructions for a request, [`AT_ONCE`] at most, with so many of calendar-service.
async fn instructions(settings: &Settings, endpoints: usize) -> Result<f64> {
    let time = Duration::from_secs(settings.seconds);
    let shape = Shape { instances: endpoints, counted: true, ..Shape::default() };
    let (system, account) = start("gateway", shape).await?;
    let [.., connections] = AT_ONCE;
    let callers = ThroughGateway::connect(system.gateway_address, &account.token, connections).await?;
    let callers = Trial::default().round(&system, callers, time).await?;
    let mut trial = Trial::default();
    let rounds = async {
        let mut callers = callers;
        for _ in 0..settings.rounds {
            callers = trial.round(&system, callers, time).await?;
        }
        Ok(())
    };
    let (instructions, ()) = callgrind::count(system.gateway(), &system.folder, rounds).await?;
    system.stop().await?;
    Ok(instructions as f64 / trial.outcome.requests as f64)
}

/// Prints what the gateway costs a request, beside a call without it and a bare relay.
async fn alone(settings: &Settings, goals: &mut Goals) -> Result<()> {
    let time = Duration::from_secs(settings.seconds);
    let (system, account) = start("gateway", Shape::default()).await?;
    let mut table = Trial::table("GET /calendar/calendars, one calendar");
    for connections in AT_ONCE {
        let mut direct_callers = Direct::connect(&system.calendar_uri, &account.token, connections)?;
        let mut gateway_callers =
            ThroughGateway::connect(system.gateway_address, &account.token, connections).await?;
        let relay = BareRelay::start(&system.calendar_uri, &account.token).await?;
        let mut relay_callers = ThroughGateway::connect(relay.address, &account.token, connections).await?;
        let (mut direct, mut gateway, mut relayed) = (Trial::default(), Trial::default(), Trial::default());
        direct_callers = Trial::default().round(&system, direct_callers, time).await?;
        gateway_callers = Trial::default().round(&system, gateway_callers, time).await?;
        relay_callers = Trial::default().round(&system, relay_callers, time).await?;
        let warm = relay.process().cpu_time()?;
        for _ in 0..settings.rounds {
            direct_callers = direct.round(&system, direct_callers, time).await?;
            gateway_callers = gateway.round(&system, gateway_callers, time).await?;
            relay_callers = relayed.round(&system, relay_callers, time).await?;
        }
        // In the gateway's place, and in its column.
        relayed.cpu.gateway = relay.process().cpu_time()?.saturating_sub(warm);
        relay.stop().await?;
        direct.add_to(&mut table, &format!("gRPC, {connections} at once"));
        gateway.add_to(&mut table, &format!("gateway, {connections} at once"));
        relayed.add_to(&mut table, &format!("bare relay, {connections} at once"));
        let cost = gateway.per_request(gateway.cpu.gateway);
        goals.add(&format!("gateway CPU a request, {connections} at once"), "µs", Goal::AtMost(40.0), cost);
        let least = relayed.per_request(relayed.cpu.gateway);
        goals.note(&format!("a bare relay's CPU a request, {connections} at once"), "µs", least);
        for percent in [50.0, 99.0] {
            let through = gateway.outcome.latencies.percentile(percent);
            let added = through.as_secs_f64() - direct.outcome.latencies.percentile(percent).as_secs_f64();
            goals.note(&format!("added latency, {connections} at once, p{percent}"), "µs", added * 1e6);
        }
    }
    println!("{table}");
    system.stop().await
}

/// A system with one account that is in one calendar.
async fn start(name: &str, shape: Shape) -> Result<(System, Account)> {
    let system = System::start_as(name, shape).await?;
    let account = create_accounts(&system.auth_uri, "reader", 1).await?.remove(0);
    account.create_calendar(&system.calendar_uri, "family").await?;
    Ok((system, account))
}
