//! How much of the machine's hash rate the logins reach.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use load_benches::{
    account::create_accounts,
    bare_hash,
    goal::{Goal, Goals},
    interrupt::or_interrupted,
    login::Login,
    process::Process,
    system::System,
    trial::Trial,
};

/// Prints logins a second through the gateway, beside bare password hashes a
/// second on the same machine in the same minute.
#[derive(Debug, Parser)]
struct Settings {
    /// Seconds of one round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds of each load; hashes and logins take turns.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Logins at once.
    #[arg(long, default_value_t = 8)]
    connections: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    or_interrupted(run(Settings::parse())).await
}

async fn run(settings: Settings) -> Result<()> {
    let time = Duration::from_secs(settings.seconds);
    let system = System::start("logins").await?;
    let accounts = create_accounts(&system.auth_uri, "visitor", settings.connections).await?;
    let mut callers = Login::connect(system.gateway_address, &accounts).await?;
    callers = Trial::default().round(&system, callers, time / 2).await?;
    let (mut hashes, mut logins) = (Trial::default(), Trial::default());
    for _ in 0..settings.rounds {
        let before = Process::current().cpu_time()?;
        hashes.outcome.merge(bare_hash::run(time)?);
        hashes.cpu.load += Process::current().cpu_time()?.saturating_sub(before);
        callers = logins.round(&system, callers, time).await?;
    }

    let mut table = Trial::table("POST /user/login");
    hashes.add_to(&mut table, "bare hash, 2 threads");
    logins.add_to(&mut table, &format!("login, {} at once", settings.connections));
    println!("{table}");
    let mut goals = Goals::new();
    let rate = logins.outcome.rate() / hashes.outcome.rate();
    let cpu = logins.per_request(logins.cpu.product() + logins.cpu.load);
    goals.add("logins a second to bare hashes a second", "", Goal::AtLeast(0.9), rate);
    goals.note("the same by CPU time", "", hashes.per_request(hashes.cpu.load) / cpu);
    goals.print();
    system.stop().await
}
