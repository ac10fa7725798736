//! Reminders of the command `scheduleEvent`: told to every socket that they
//! concern when they are delivered, and for a while to those who come then and
//! have not heard them, once an account.

use std::collections::{HashMap, HashSet};

use chassis::fault::Fault;
use tokio::task::yield_now;
use uuid::Uuid;

use super::{
    frame::{EventReminder, ServerFrame},
    hub::Hub,
    limits::BroadcastScope,
    registry::Registry,
    room::Listener as _,
    wire::Block,
};
use crate::{model::ScheduledReminder, patience::in_time, store::Earshot};

/// Accounts asked about in one statement.
const ACCOUNTS: usize = 2_000;
/// Reminders handed to who comes, in one statement.
const UNHEARD: i64 = 1_000;
/// Reminders that are recent at once.
const RECENT: i64 = 10_000;
/// Sockets written between two pauses.
const STEP: usize = 128;
/// Seconds after which a call that did not come is held for lost.
const LOST_AFTER: f64 = 3.0;

/// Knows which reminders were told here.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Those that are only for who comes: told here, or before this instance
    /// listened. None: nobody has looked yet.
    known: Option<HashSet<String>>,
    /// Who heard what, where that is not kept yet.
    unkept: Vec<(String, Vec<Uuid>)>,
}

// === impl Recent ===

impl Recent {
    /// Keeps who heard what; at first, looks what was told before.
    pub(super) async fn settle(&mut self, hub: &Hub) -> Result<(), Fault> {
        if self.known.is_none() {
            let ids = in_time(hub.service.store.recent_ids(RECENT)).await?;
            self.known = Some(ids.into_iter().map(|(id, _)| id).collect());
        }
        while let Some((id, accounts)) = self.unkept.last() {
            for some in accounts.chunks(ACCOUNTS) {
                in_time(hub.service.store.mark_heard(id, some)).await?;
            }
            self.unkept.pop();
        }
        Ok(())
    }

    /// A reminder was delivered now: everybody here whom it concerns hears it.
    pub(super) async fn tell(&mut self, hub: &Hub, id: String) -> Result<(), Fault> {
        let store = &hub.service.store;
        if self.known.as_ref().is_some_and(|known| known.contains(&id)) {
            return Ok(());
        }
        let Some(reminder) = in_time(store.recent_reminder(&id)).await? else { return Ok(()) };
        let online = hub.registry(Registry::accounts);
        let mut concerned = Vec::new();
        for some in online.chunks(ACCOUNTS) {
            concerned.extend(in_time(store.concerned_by(&reminder, earshot(hub), some)).await?);
        }
        let block = block(&reminder, reminder.late);
        let mut heard = Vec::with_capacity(concerned.len());
        for some in concerned.chunks(STEP) {
            heard.extend(some.iter().filter(|account| send(hub, **account, &block)));
            yield_now().await;
        }
        self.known.get_or_insert_default().insert(id.clone());
        self.unkept.push((id, heard));
        self.settle(hub).await
    }

    /// Whoever came hears what is recent and concerns them, late as it is.
    pub(super) async fn greet(&mut self, hub: &Hub, accounts: &[Uuid]) -> Result<(), Fault> {
        if self.known.as_ref().is_none_or(HashSet::is_empty) {
            return Ok(());
        }
        loop {
            let unheard = in_time(hub.service.store.unheard(accounts, earshot(hub), UNHEARD)).await?;
            let all = unheard.len() < UNHEARD as usize;
            let before = self.unkept.len();
            for (account, reminder) in unheard {
                // Another is being told to everybody who is here.
                let known = self.known.as_ref().is_some_and(|known| known.contains(&reminder.id));
                if known && send(hub, account, &block(&reminder, true)) {
                    self.unkept.push((reminder.id, vec![account]));
                }
            }
            let progress = self.unkept.len() > before;
            self.settle(hub).await?;
            if all || !progress {
                return Ok(());
            }
        }
    }

    /// Finds what no call has told of, and forgets what is not recent any more.
    pub(super) async fn look(&mut self, hub: &Hub) -> Result<(), Fault> {
        let recent: HashMap<_, _> =
            in_time(hub.service.store.recent_ids(RECENT)).await?.into_iter().collect();
        let known = self.known.get_or_insert_default();
        known.retain(|id| recent.contains_key(id));
        let lost: Vec<_> = recent
            .into_iter()
            .filter(|(id, age)| *age > LOST_AFTER && !known.contains(id))
            .map(|(id, _)| id)
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        tracing::warn!(reminders = lost.len(), "no call told of these");
        known.extend(lost);
        let online = hub.registry(Registry::accounts);
        for some in online.chunks(STEP) {
            self.greet(hub, some).await?;
        }
        Ok(())
    }
}

const fn earshot(hub: &Hub) -> Earshot {
    match hub.scope {
        BroadcastScope::Everyone => Earshot::Everybody,
        BroadcastScope::Shared => Earshot::Companions,
        // Nobody but whoever asked for it.
        BroadcastScope::Off => Earshot::Scheduler,
    }
}

fn block(reminder: &ScheduledReminder, late: bool) -> Block {
    let ScheduledReminder { id, name, time, .. } = reminder;
    let frame = EventReminder { name: name.clone(), time: time.clone(), id: id.clone(), late };
    Block::of(&ServerFrame::EventReminder(frame))
}

/// Sends to every socket of an account; false when it has none.
fn send(hub: &Hub, account_id: Uuid, block: &Block) -> bool {
    let sockets = hub.registry(|registry| registry.of_account(account_id));
    for socket in &sockets {
        socket.send(block);
    }
    hub.meters.frames_out.increment(sockets.len() as u64);
    !sockets.is_empty()
}
