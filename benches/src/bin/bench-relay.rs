//! What the ordered relay costs: ten million events to a hundred clients.

use anyhow::Result;
use clap::Parser;
use load_benches::{
    goal::{Goal, Goals, figure},
    interrupt::or_interrupted,
    machine,
    relay::{self, Run, stream::Stream},
    table::Table,
};

/// The stream that the goals are about.
const WHOLE: u64 = 10_000_000;

/// Sends events of all types, shuffled in batches of 100, through activity-service
/// to 100 connected of 1,000 users, within one process and through RabbitMQ, and
/// prints time, CPU and memory. Fails when a client is told anything but what a
/// plain oracle says.
#[derive(Debug, Parser)]
struct Settings {
    /// Events in the stream; the goals are about ten million.
    #[arg(long, default_value_t = WHOLE)]
    events: u64,
    /// Leaves RabbitMQ out.
    #[arg(long)]
    direct_only: bool,
    /// Leaves the run within one process out.
    #[arg(long)]
    rabbitmq_only: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    or_interrupted(run(Settings::parse())).await
}

async fn run(settings: Settings) -> Result<()> {
    let stream = Stream::new(settings.events);
    let millions = |count: u64| figure(count as f64 / 1e6);
    println!(
        "{}; {} M events, {} M notifications",
        machine::describe(),
        millions(stream.events()),
        millions(stream.notifications()),
    );
    let head = ["path", "seconds", "M events/s", "server CPU s", "RabbitMQ CPU s", "load CPU s", "peak MiB"];
    let (mut table, mut goals) = (Table::new("Ordered relay", head), Goals::new());
    let paths =
        [(false, "direct", 10.0, settings.rabbitmq_only), (true, "RabbitMQ", 20.0, settings.direct_only)];
    for (through_rabbitmq, name, goal, left_out) in paths {
        if left_out {
            continue;
        }
        let Run { time, server, rabbitmq, load, peak } = relay::run(&stream, through_rabbitmq).await?;
        let (seconds, mebibytes) = (time.as_secs_f64(), peak as f64 / f64::from(1 << 20));
        let rate = stream.events() as f64 / seconds / 1e6;
        let cpu = [server, rabbitmq, load].map(|time| figure(time.as_secs_f64()));
        let [server, rabbitmq, load] = cpu;
        table.row([
            name.to_owned(),
            figure(seconds),
            figure(rate),
            server,
            rabbitmq,
            load,
            figure(mebibytes),
        ]);
        if settings.events == WHOLE {
            goals.add(&format!("{name}, all told"), "s", Goal::AtMost(goal), seconds);
        }
        goals.add(&format!("{name}, peak memory"), "MiB", Goal::AtMost(256.0), mebibytes);
    }
    println!("{table}");
    goals.print();
    Ok(())
}
