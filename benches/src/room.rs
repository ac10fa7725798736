//! Rooms full of sockets: everybody hears everything, in order, or the run fails.
//!
//! A room is [`ACCOUNTS`] accounts with [`SOCKETS`] sockets each, the most that the
//! contract gives one account. [`Crowd::gather`] connects them, [`Crowd::talk`]
//! keeps messages in flight until a time is over.

mod crowd;
mod inbox;

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Semaphore;

use anyhow::Result;
pub use crowd::{Crowd, Pace, Talk};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::account::Account;

/// Accounts in a room.
pub const ACCOUNTS: usize = 10;
/// Sockets of one account.
pub const SOCKETS: usize = 10;
/// Sockets in a room.
pub const MEMBERS: usize = ACCOUNTS * SOCKETS;

/// More than are ever in flight in one room.
const PLACES: usize = 64;

/// Makes one room for each [`ACCOUNTS`] accounts, of which the first is the owner.
/// Answers the names.
pub async fn create_rooms(calendar_uri: &str, accounts: &[Account]) -> Result<Vec<String>> {
    let owners = accounts.iter().step_by(ACCOUNTS).enumerate();
    let rooms = owners.map(|(number, owner)| async move {
        Ok(owner.create_calendar(calendar_uri, &format!("room {number}")).await?.calendar_name)
    });
    // Their passwords are hashed one at a time.
    stream::iter(rooms).buffered(2).try_collect().await
}

/// Which messages have been heard by how many; opens the way for the next.
#[derive(Debug)]
struct Room {
    name: String,
    /// One count per message in flight, by its `seq`.
    heard: [AtomicU32; PLACES],
    /// A permit is a message that may be sent.
    window: Semaphore,
}

// === impl Room ===

impl Room {
    fn new(name: String) -> Self {
        Self { name, heard: [const { AtomicU32::new(0) }; PLACES], window: Semaphore::new(0) }
    }

    /// One socket has heard the message `seq`. The last one lets another be sent.
    fn hear(&self, seq: u64) {
        let place = &self.heard[seq as usize % PLACES];
        if place.fetch_add(1, Ordering::AcqRel) + 1 == MEMBERS as u32 {
            place.store(0, Ordering::Release);
            self.window.add_permits(1);
        }
    }
}
