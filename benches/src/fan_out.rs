//! Kept messages to many sockets: deliveries per CPU-second.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;

use crate::{
    account::create_accounts,
    goal::{Goal, Goals, figure},
    room::{ACCOUNTS, Crowd, Pace, Talk, create_rooms},
    system::{CpuTimes, System},
    table::Table,
};

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Rooms that talk.
    pub rooms: usize,
    /// Rounds of each pace.
    pub rounds: u32,
    /// One round.
    pub time: Duration,
}

/// One way to talk, over all rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    talk: Talk,
    cpu: CpuTimes,
}

/// Every way to talk, in the order of [`PACES`].
type Sums = [Sum; PACES.len()];

/// How people talk, and what the goal is for that.
const PACES: [(&str, Pace, Option<f64>); 3] = [
    ("one at a time in all", Pace::OneByOne, None),
    ("one at a time a room", Pace::InFlight(1), Some(175_000.0)),
    ("16 in flight a room", Pace::InFlight(16), Some(960_000.0)),
];

/// What several instances keep of what one delivers per CPU-second.
const KEPT: f64 = 0.7;

/// Talks in rooms at calendar-service's own listener, then through the gateway,
/// then at `instances` listeners, each with a share of every room.
pub async fn run(load: Load, instances: usize, goals: &mut Goals) -> Result<()> {
    let title =
        format!("Kept messages, {} rooms of 100 sockets, order checked at every receiver", load.rooms);
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

    let system = System::start("rooms").await?;
    let [own, gateway] =
        at_doors(&system, load, &[&system.socket_addresses, &[system.gateway_address]]).await?;
    system.stop().await?;
    for ((name, _, goal), sum) in PACES.iter().zip(&own) {
        sum.add_to(&mut table, &format!("{name}, own listener"));
        if let Some(goal) = goal {
            let name = format!("deliveries per CPU-second, {name}");
            goals.add(&name, "1/s", Goal::AtLeast(*goal), sum.per_second_of(sum.cpu.calendar));
        }
    }
    for ((name, ..), sum) in PACES.iter().zip(&gateway) {
        sum.add_to(&mut table, &format!("{name}, gateway"));
    }

    if instances > 1 {
        let system = System::start_several("rooms", instances).await?;
        let [several] = at_doors(&system, load, &[&system.socket_addresses]).await?;
        system.stop().await?;
        for (((name, ..), one), sum) in PACES.iter().zip(&own).zip(&several) {
            sum.add_to(&mut table, &format!("{name}, {instances} instances"));
            let kept = sum.per_second_of(sum.cpu.calendar) / one.per_second_of(one.cpu.calendar);
            goals.add(&format!("kept by {instances} instances, {name}"), "", Goal::AtLeast(KEPT), kept);
        }
    }
    println!("{table}");
    Ok(())
}

/// Every pace at each of these groups of listeners, one group after the other.
async fn at_doors<const N: usize>(
    system: &System,
    load: Load,
    groups: &[&[SocketAddr]; N],
) -> Result<[Sums; N]> {
    let accounts = create_accounts(&system.auth_uri, "talker", load.rooms * ACCOUNTS).await?;
    let names = create_rooms(&system.calendar_uri, &accounts).await?;
    let mut all = [Sums::default(); N];
    for (sums, doors) in all.iter_mut().zip(groups) {
        let mut crowd = Crowd::gather(doors, &names, &accounts).await?;
        crowd.talk(Pace::InFlight(1), load.time / 2).await?;
        for _ in 0..load.rounds {
            for (sum, (_, pace, _)) in sums.iter_mut().zip(PACES) {
                let before = system.cpu_times()?;
                sum.talk += crowd.talk(pace, load.time).await?;
                sum.cpu += system.cpu_times()? - before;
            }
        }
    }
    Ok(all)
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
