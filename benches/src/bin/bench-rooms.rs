//! What rooms cost: deliveries per CPU-second, and memory of idle sockets.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use load_benches::{
    fan_out::{self, Load},
    goal::Goals,
    idle,
    interrupt::or_interrupted,
};

/// Prints how many kept messages calendar-service delivers per CPU-second, and
/// what a socket that says nothing holds in memory.
#[derive(Debug, Parser)]
struct Settings {
    /// Seconds of one round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of each load.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Rooms that talk, of 100 sockets each.
    #[arg(long, default_value_t = 10)]
    rooms: usize,
    /// Instances of calendar-service that share the rooms, beside one alone; 1 leaves that part out.
    #[arg(long, default_value_t = 3)]
    instances: usize,
    /// Sockets that say nothing; 0 leaves that part out.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    or_interrupted(Box::pin(run(Settings::parse()))).await
}

async fn run(settings: Settings) -> Result<()> {
    let mut goals = Goals::new();
    let time = Duration::from_secs(settings.seconds);
    if settings.rooms > 0 {
        let load = Load { rooms: settings.rooms, rounds: settings.rounds, time };
        fan_out::run(load, settings.instances, &mut goals).await?;
    }
    if settings.idle > 0 {
        idle::run(settings.idle, &mut goals).await?;
    }
    goals.print();
    Ok(())
}
