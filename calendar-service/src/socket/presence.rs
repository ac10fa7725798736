//! Who is online, told to the rooms: when an account's first connection comes,
//! and when its last one goes.
//!
//! Best effort, as every transient frame: one loop tells them in order, and
//! when it cannot keep up, arrivals are dropped rather than piled up.

use std::sync::Arc;

use chassis::tokens::Identity;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{hub::Hub, keeper::Command};

/// Arrivals that may wait to be told.
const WAITING: usize = 4_096;

/// Where arrivals are announced.
#[derive(Debug)]
pub(super) struct Arrivals(mpsc::Sender<Arrival>);

/// Tells arrivals; to be run once.
#[derive(Debug)]
pub(super) struct Presence(mpsc::Receiver<Arrival>);

#[derive(Debug)]
struct Arrival {
    account_id: Uuid,
    username: Arc<str>,
    online: bool,
}

// === impl Arrivals ===

impl Arrivals {
    /// An account came online, or went offline.
    pub(super) fn tell(&self, who: &Identity, online: bool) {
        let arrival = Arrival { account_id: who.account_id, username: Arc::clone(&who.username), online };
        if self.0.try_send(arrival).is_err() {
            tracing::debug!("presence cannot keep up");
        }
    }
}

// === impl Presence ===

impl Presence {
    /// A loop, and where it hears from.
    pub(super) fn new() -> (Arrivals, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Arrivals(sender), Self(receiver))
    }

    /// Tells arrivals until the hub is gone.
    pub(super) async fn run(mut self, hub: Arc<Hub>) {
        while let Some(Arrival { account_id, username, online }) = self.0.recv().await {
            let rooms = match hub.service.store.memberships(account_id).await {
                Ok(rooms) => rooms,
                Err(fault) => {
                    tracing::debug!(%fault, "presence not told");
                    continue;
                }
            };
            for room in rooms {
                hub.send_if_open(room.calendar_id, || Command::Presence {
                    username: Arc::clone(&username),
                    online,
                });
            }
        }
    }
}
