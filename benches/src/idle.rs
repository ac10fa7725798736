//! Sockets that say nothing: the memory that each holds.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::time::sleep;

use crate::{
    account::{Account, create_accounts},
    goal::{Goal, Goals, figure},
    machine,
    room::{ACCOUNTS, Crowd, MEMBERS, create_rooms},
    system::System,
    table::Table,
};

/// Descriptors that a process needs beside its sockets.
const SPARE: u64 = 300;
/// What is done once after a connection (a task's first poll, a freed buffer) is over by then.
const SETTLE: Duration = Duration::from_secs(3);
/// Kilobytes a socket, in calendar-service and in the gateway alike.
const GOAL: f64 = 12.0;

/// What each socket holds, where it went through.
#[derive(Clone, Copy, Debug)]
struct Memory {
    sockets: usize,
    calendar: f64,
    gateway: f64,
}

/// Gathers `sockets` sockets at calendar-service's own listener, then through the gateway.
pub async fn run(sockets: usize, goals: &mut Goals) -> Result<()> {
    let system = System::start("idle").await?;
    let rooms = sockets.div_ceil(MEMBERS);
    let accounts = create_accounts(&system.auth_uri, "listener", rooms * ACCOUNTS).await?;
    let names = create_rooms(&system.calendar_uri, &accounts).await?;
    let mut table = Table::new(
        "Idle sockets, each in a room of 100",
        ["at", "sockets", "calendar-service KB a socket", "gateway KB a socket"],
    );

    let direct = Memory::gather(&system, system.socket_addresses[0], &names, &accounts).await?;
    direct.add_to(&mut table, "own listener");
    goals.add("calendar-service memory an idle socket", "KB", Goal::AtMost(GOAL), direct.calendar);

    // A tunnel is two sockets of the gateway.
    let tunnels = machine::raise_descriptors().saturating_sub(SPARE) / 2;
    let rooms = rooms.min(tunnels as usize / MEMBERS);
    let through = Memory::gather(&system, system.gateway_address, &names[..rooms], &accounts).await?;
    through.add_to(&mut table, "gateway");
    goals.add("gateway memory an idle tunnel", "KB", Goal::AtMost(GOAL), through.gateway);
    println!("{table}");
    system.stop().await
}

// === impl Memory ===

impl Memory {
    /// Fills the rooms, waits until nothing moves any more, and empties them.
    async fn gather(
        system: &System,
        address: SocketAddr,
        rooms: &[String],
        accounts: &[Account],
    ) -> Result<Self> {
        // What the first socket costs once (pools, the memory of a password hash) is not theirs.
        Crowd::gather(&[address], &rooms[..1], accounts).await?.leave().await;
        let before = (system.calendar().memory()?, system.gateway().memory()?);
        let crowd = Crowd::gather(&[address], rooms, accounts).await?;
        sleep(SETTLE).await;
        let after = (system.calendar().memory()?, system.gateway().memory()?);
        let sockets = crowd.sockets();
        crowd.leave().await;
        // A process that has become smaller holds nothing more for a socket.
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / 1e3 / sockets as f64;
        Ok(Self { sockets, calendar: each(before.0, after.0), gateway: each(before.1, after.1) })
    }

    fn add_to(&self, table: &mut Table, name: &str) {
        let sockets = figure(self.sockets as f64);
        table.row([name.to_owned(), sockets, figure(self.calendar), figure(self.gateway)]);
    }
}
