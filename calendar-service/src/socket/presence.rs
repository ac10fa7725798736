//! Who is online, told to the rooms: when an account's first connection comes,
//! and when its last one goes, on whichever instance.
//!
//! Every instance keeps what the others say ([`super::elsewhere`]) and tells its
//! own rooms. Best effort, as every transient frame: one loop tells in order,
//! many at a time, and when it cannot keep up, arrivals are dropped rather than
//! piled up.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc},
    time::{MissedTickBehavior, interval},
};
use uuid::Uuid;

use super::{
    elsewhere::{Elsewhere, Moves},
    hub::Hub,
    keeper::Command,
};
use crate::bus::Publication;

/// Arrivals that may wait to be told.
const WAITING: usize = 4_096;
/// Arrivals told with one question to the database.
const BATCH: usize = 256;
/// From one look at who is silent to the next; rosters are asked for no more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where arrivals are announced.
#[derive(Debug)]
pub(super) struct Arrivals {
    waiting: mpsc::Sender<Arrival>,
    queue: AsyncMutex<mpsc::Receiver<Arrival>>,
    /// Somebody wants to know who is here.
    asked: Notify,
    /// This instance wants to know who is where.
    unsure: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    account_id: Uuid,
    online: bool,
}

// === impl Arrivals ===

impl Arrivals {
    /// Nobody has come yet.
    pub(super) fn new() -> Self {
        let (waiting, queue) = mpsc::channel(WAITING);
        Self { waiting, queue: AsyncMutex::new(queue), asked: Notify::new(), unsure: Notify::new() }
    }

    /// An account came online, or went offline.
    pub(super) fn tell(&self, account_id: Uuid, online: bool) {
        if self.waiting.try_send(Arrival { account_id, online }).is_err() {
            tracing::debug!("presence cannot keep up");
        }
    }

    /// Several did.
    pub(super) fn tell_all(&self, Moves { came, went }: Moves) {
        for account_id in went {
            self.tell(account_id, false);
        }
        for account_id in came {
            self.tell(account_id, true);
        }
    }

    /// Another instance wants to know who is here.
    pub(super) fn asked(&self) {
        self.asked.notify_one();
    }

    /// Something may have been missed.
    pub(super) fn unsure(&self) {
        self.unsure.notify_one();
    }
}

/// Tells arrivals until the process drains and the last socket is gone.
pub(super) async fn tell(hub: Arc<Hub>) {
    let mut queue = hub.arrivals().queue.lock().await;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            _ = queue.recv_many(&mut batch, BATCH) => {
                tell_rooms(&hub, &batch).await;
                batch.clear();
            }
            () = hub.emptied() => return,
        }
    }
}

async fn tell_rooms(hub: &Hub, batch: &[Arrival]) {
    let rooms: Vec<_> = hub.told().into_iter().map(|(calendar_id, _)| calendar_id).collect();
    if rooms.is_empty() {
        return;
    }
    let accounts: Vec<_> = batch.iter().map(|arrival| arrival.account_id).collect();
    let members = match hub.service.store.members_among_rooms(&rooms, &accounts).await {
        Ok(members) => members,
        Err(fault) => return tracing::debug!(%fault, "presence not told"),
    };
    let mut places: HashMap<Uuid, Vec<(Uuid, Arc<str>)>> = HashMap::new();
    for (calendar_id, account_id, username) in members {
        places.entry(account_id).or_default().push((calendar_id, username));
    }
    for Arrival { account_id, online } in batch {
        for (calendar_id, username) in places.get(account_id).into_iter().flatten() {
            let username = Arc::clone(username);
            hub.send_if_open(*calendar_id, || Command::Presence { username, online: *online });
        }
    }
}

/// Tells the other instances who is here, and forgets those that say nothing,
/// until the process drains and the last socket is gone.
pub(super) async fn exchange(hub: Arc<Hub>) {
    let bus = &hub.service.bus;
    if !bus.has_others() {
        return hub.emptied().await;
    }
    let mut rosters = interval(hub.limits.roster_every);
    let mut looks = interval(LOOK_EVERY);
    for timer in [&mut rosters, &mut looks] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let (mut unsure, mut asked) = (true, false);
    loop {
        tokio::select! {
            _ = rosters.tick() => hub.publish_roster(),
            () = hub.arrivals().asked.notified() => asked = true,
            () = hub.arrivals().unsure.notified() => unsure = true,
            _ = looks.tick() => {
                let (now, healthy) = (hub.clock.monotonic(), bus.is_healthy());
                let patience = hub.limits.roster_every * 3;
                hub.elsewhere(|elsewhere| look(elsewhere, healthy, patience, now));
                if std::mem::take(&mut asked) {
                    hub.publish_roster();
                }
                if unsure && healthy {
                    unsure = false;
                    bus.forward(Publication::WhoIsThere);
                }
            }
            () = hub.emptied() => return,
        }
    }
}

/// While the bus does not work, silence says nothing.
fn look(elsewhere: &mut Elsewhere, healthy: bool, patience: Duration, now: Instant) -> Moves {
    if healthy {
        return elsewhere.forget_silent(patience, now);
    }
    elsewhere.excuse_silence(now);
    Moves::default()
}
