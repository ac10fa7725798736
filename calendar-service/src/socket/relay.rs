//! Feeds the rooms and the mailbag: with what the bus tells, and, because the bus
//! only wakes up, the rooms with what a look at the log of all open ones finds.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use uuid::Uuid;

use super::{hub::Hub, keeper::Command, registry::Registry};
use crate::{bus::Published, model::Change};

/// Between two looks at the logs of all open rooms: a lost wake-up heals in this time.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at who is left while draining.
const LOOK_WHETHER_EMPTY: Duration = Duration::from_millis(50);
/// Rooms asked about in one statement.
const ROOMS: usize = 5_000;

/// Runs until the process drains and the last socket is gone.
pub(super) async fn relay(hub: Arc<Hub>) {
    let mut feed = hub.service.bus.subscribe();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            published = feed.recv() => match published {
                Ok(Published::Changes(changes)) => hand_on(&hub, &changes),
                Ok(Published::Call(call)) => hub.mail.put(&call),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "fell behind the bus, reading the log");
                    hub.mail.look();
                    look(&hub).await;
                }
                Err(RecvError::Closed) => return,
            },
            _ = looks.tick() => look(&hub).await,
            () = emptied(&hub) => return,
        }
    }
}

/// Waits for the drain, and for the last socket to be gone.
pub(super) async fn emptied(hub: &Hub) {
    hub.service.lifecycle.draining().await;
    while hub.registry(Registry::len) > 0 {
        sleep(LOOK_WHETHER_EMPTY).await;
    }
}

/// Hands changes to their rooms, where those are open and have not told them.
fn hand_on(hub: &Arc<Hub>, changes: &[Change]) {
    let mut by_room: HashMap<Uuid, Vec<Change>> = HashMap::new();
    for change in changes {
        // A room's own messages come back here: told already.
        if hub.told_in(change.calendar_id).is_some_and(|told| change.seq > told) {
            by_room.entry(change.calendar_id).or_default().push(change.clone());
        }
    }
    for (calendar_id, changes) in by_room {
        hub.send_if_open(calendar_id, || Command::Offer(changes));
    }
}

/// Asks how far the logs of all open rooms are, and wakes those that are behind.
async fn look(hub: &Arc<Hub>) {
    let told: HashMap<_, _> = hub.told().into_iter().collect();
    let ids: Vec<_> = told.keys().copied().collect();
    for ids in ids.chunks(ROOMS) {
        let reached = timeout(LOOK_EVERY, hub.service.store.last_seqs(ids)).await;
        let Ok(Ok(reached)) = reached else {
            tracing::debug!("the logs cannot be looked at now");
            return;
        };
        for (calendar_id, seq) in reached {
            if told.get(&calendar_id).is_some_and(|told| seq > *told) {
                hub.send_if_open(calendar_id, || Command::Reached(seq));
            }
        }
    }
}
