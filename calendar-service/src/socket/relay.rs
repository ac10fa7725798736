//! Feeds the rooms and the mailbag: with what the bus tells, and, because the bus
//! only wakes up, the rooms with what a look at the log of all open ones finds.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use uuid::Uuid;

use super::{audience::deliver, hub::Hub, keeper::Command};
use crate::{
    bus::{Heard, Publication},
    model::Change,
};

/// For a look at the logs of all open rooms.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// However often something is missed, looks are this far apart.
const LOOKS_APART: Duration = Duration::from_millis(100);
/// Rooms asked about in one statement.
const ROOMS: usize = 5_000;

/// Runs until the process drains and the last socket is gone.
pub(super) async fn relay(hub: Arc<Hub>) {
    let mut feed = hub.service.bus.subscribe();
    let mut looked = Instant::now();
    let mut ticks = interval_at(looked + hub.limits.look_often, hub.limits.look_often);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first look, at once: what was committed before this instance listened.
    let (mut missed, mut may_look) = (true, looked);
    loop {
        tokio::select! {
            heard = feed.recv() => match heard {
                Ok(Heard::Said { by, what }) => take(&hub, by, &what).await,
                Ok(Heard::Missed) => {
                    hub.arrivals().unsure();
                    hub.mail.look();
                    missed = true;
                }
                Err(RecvError::Lagged(behind)) => {
                    tracing::warn!(behind, "fell behind the bus, reading the log");
                    hub.arrivals().unsure();
                    hub.mail.look();
                    missed = true;
                }
                Err(RecvError::Closed) => return,
            },
            _ = ticks.tick() => {
                missed |= !hub.service.bus.is_healthy() || looked.elapsed() >= hub.limits.look_every;
            }
            () = sleep_until(may_look), if missed => {
                missed = false;
                looked = Instant::now();
                may_look = looked + LOOKS_APART;
                look(&hub).await;
            }
            () = hub.emptied() => return,
        }
    }
}

/// Does what a publication is for.
async fn take(hub: &Arc<Hub>, by: Uuid, what: &Publication) {
    let now = hub.clock.monotonic();
    match what {
        Publication::Changes(changes) => hand_on(hub, by, changes),
        Publication::Frame { to, frame } => deliver(hub, to, frame).await,
        Publication::Roster(roster) => hub.elsewhere(|elsewhere| elsewhere.replace(by, roster, now)),
        Publication::Sockets(account_id, sockets) => {
            hub.elsewhere(|elsewhere| elsewhere.set(by, *account_id, *sockets, now));
        }
        Publication::WhoIsThere => hub.arrivals().asked(),
        Publication::Call(call) => hub.mail.put(call),
    }
}

/// Hands changes to their rooms, where those are open and have not told them.
fn hand_on(hub: &Arc<Hub>, by: Uuid, changes: &[Change]) {
    let mut by_room: HashMap<Uuid, Vec<Change>> = HashMap::new();
    for change in changes {
        // A room's own messages come back here: told already.
        if hub.told_in(change.calendar_id).is_some_and(|told| change.seq > told) {
            by_room.entry(change.calendar_id).or_default().push(change.clone());
        }
    }
    for (calendar_id, changes) in by_room {
        hub.send_if_open(calendar_id, || Command::Offer(by, changes));
    }
}

/// Asks how far the logs of all open rooms are, and wakes those that are behind.
async fn look(hub: &Arc<Hub>) {
    let told: HashMap<_, _> = hub.told().into_iter().collect();
    let ids: Vec<_> = told.keys().copied().collect();
    for ids in ids.chunks(ROOMS) {
        let reached = timeout(LOOK_WITHIN, hub.service.store.last_seqs(ids)).await;
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
