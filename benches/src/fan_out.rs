//! Kept messages to many sockets: deliveries per CPU-second.

use std::time::Duration;

use anyhow::Result;

use crate::{
    account::create_accounts,
    goal::{Goal, Goals, figure},
    room::{ACCOUNTS, Crowd, Pace, Talk, create_rooms},
    system::{CpuTimes, System},
    table::Table,
};

/// One way to talk, over all rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    talk: Talk,
    cpu: CpuTimes,
}

/// How people talk, and what the goal is for that.
const PACES: [(&str, Pace, Option<f64>); 3] = [
    ("one at a time in all", Pace::OneByOne, None),
    ("one at a time a room", Pace::InFlight(1), Some(175_000.0)),
    ("16 in flight a room", Pace::InFlight(16), Some(960_000.0)),
];

/// Talks in `rooms` rooms at calendar-service's own listener, then through the gateway.
pub async fn run(rooms: usize, rounds: u32, time: Duration, goals: &mut Goals) -> Result<()> {
    let system = System::start("rooms").await?;
    let accounts = create_accounts(&system.auth_uri, "talker", rooms * ACCOUNTS).await?;
    let names = create_rooms(&system.calendar_uri, &accounts).await?;
    let title = format!("Kept messages, {rooms} rooms of 100 sockets, order checked at every receiver");
    let head = [
        "load",
        "messages/s",
        "deliveries/s",
        "per calendar CPU-s",
        "per gateway CPU-s",
        "PostgreSQL µs/message",
        "busy cores",
    ];
    let mut table = Table::new(&title, head);
    for (door, address) in [("own listener", system.socket_address), ("gateway", system.gateway_address)] {
        let mut crowd = Crowd::gather(address, &names, &accounts).await?;
        crowd.talk(Pace::InFlight(1), time / 2).await?;
        let mut sums = [Sum::default(); PACES.len()];
        for _ in 0..rounds {
            for (sum, (_, pace, _)) in sums.iter_mut().zip(PACES) {
                let before = system.cpu_times()?;
                sum.talk += crowd.talk(pace, time).await?;
                sum.cpu += system.cpu_times()? - before;
            }
        }
        for (sum, (name, _, goal)) in sums.iter().zip(PACES) {
            sum.add_to(&mut table, &format!("{name}, {door}"));
            if let (Some(goal), "own listener") = (goal, door) {
                let name = format!("deliveries per CPU-second, {name}");
                goals.add(&name, "1/s", Goal::AtLeast(goal), sum.per_second_of(sum.cpu.calendar));
            }
        }
    }
    println!("{table}");
    system.stop().await
}

// === impl Sum ===

impl Sum {
    fn per_second_of(&self, cpu: Duration) -> f64 {
        self.talk.deliveries as f64 / cpu.as_secs_f64()
    }

    fn add_to(&self, table: &mut Table, name: &str) {
        let Self { talk, cpu } = self;
        let elapsed = talk.elapsed.as_secs_f64();
        let busy = (cpu.product() + cpu.load).as_secs_f64() / elapsed;
        let gateway = cpu.gateway > cpu.calendar / 20;
        table.row([
            name.to_owned(),
            figure(talk.messages as f64 / elapsed),
            figure(talk.deliveries as f64 / elapsed),
            figure(self.per_second_of(cpu.calendar)),
            if gateway { figure(self.per_second_of(cpu.gateway)) } else { String::new() },
            figure(cpu.postgres.as_secs_f64() * 1e6 / talk.messages as f64),
            figure(busy),
        ]);
    }
}
