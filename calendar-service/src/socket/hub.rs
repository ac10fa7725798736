//! Everything that is shared between the sockets of this instance: who is
//! connected, and which rooms are open.
//!
//! Rooms open when somebody comes in or speaks, and close when nobody is left.
//! Commands are handed over under the lock that closing takes, so none is ever
//! given to a room that has just closed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::{
    clock::Clock,
    fault::{Fault, Reason},
};
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use uuid::Uuid;

use super::{
    connection::Connection,
    elsewhere::{Elsewhere, Moves},
    keeper::{Command, Keeper},
    limits::{BroadcastScope, SocketLimits},
    mail::Mailbag,
    meters::Meters,
    outlet::Outlet,
    presence::Arrivals,
    registry::{Entry as _, Registry, Turn},
};
use crate::{bus::Publication, model::fold, service::Service};

/// Commands that may wait for one room.
const INBOX: usize = 4_096;
/// Replays at once: each holds a database connection at times.
const REPLAYS: usize = 8;
/// Between two looks at who is left while draining.
const LOOK_WHETHER_EMPTY: Duration = Duration::from_millis(50);

/// The sockets of this instance.
pub(super) struct Hub {
    pub(super) service: Service,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: SocketLimits,
    pub(super) scope: BroadcastScope,
    pub(super) meters: Arc<Meters>,
    /// Permits for replays.
    pub(super) replays: Semaphore,
    /// What is to be handed to people.
    pub(super) mail: Mailbag,
    registry: Mutex<Registry<Connection>>,
    rooms: RwLock<Rooms>,
    serials: AtomicU64,
    arrivals: Arrivals,
}

#[derive(Default)]
struct Rooms {
    by_id: HashMap<Uuid, Door>,
    /// Folded names of open rooms.
    by_name: HashMap<String, Uuid>,
}

/// How to reach an open room.
struct Door {
    inbox: mpsc::Sender<Command>,
    told: Arc<AtomicI64>,
    name_key: Option<String>,
}

/// A place among the connections of an account; given back when dropped.
pub(super) struct Seat {
    hub: Arc<Hub>,
    account_id: Uuid,
}

// === impl Hub ===

impl Hub {
    /// No sockets, no rooms. The loops of [`super::presence`] and [`super::relay`]
    /// are to be run by the caller.
    pub(super) fn new(
        service: Service,
        clock: Arc<dyn Clock>,
        limits: SocketLimits,
        scope: BroadcastScope,
    ) -> Arc<Self> {
        Arc::new(Self {
            service,
            clock,
            limits,
            scope,
            meters: Arc::new(Meters::new()),
            replays: Semaphore::new(REPLAYS),
            mail: Mailbag::default(),
            registry: Mutex::new(Registry::new(limits.sockets_per_account)),
            rooms: RwLock::default(),
            serials: AtomicU64::new(1),
            arrivals: Arrivals::new(),
        })
    }

    /// A place for one more connection of an account, counted over all instances
    /// as far as they are heard of. `too_many_sockets`.
    pub(super) fn seat(self: &Arc<Self>, account_id: Uuid) -> Result<Seat, Fault> {
        let known = self.service.bus.is_healthy();
        if self.registry.lock().sit(account_id, known) {
            Ok(Seat { hub: Arc::clone(self), account_id })
        } else {
            Err(Fault::of(Reason::TooManySockets).with_retry_after(Duration::from_secs(5)))
        }
    }

    /// A number for a connection.
    pub(super) fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection is there.
    pub(super) fn connect(&self, connection: Arc<Connection>) {
        self.meters.sockets.increment(1.0);
        let account_id = connection.identity().account_id;
        // Told under the lock: in the order in which it happens.
        let mut registry = self.registry.lock();
        if registry.insert(connection) == Turn::CameOnline {
            self.arrivals.tell(account_id, true);
        }
        if registry.sockets_of(account_id) == 1 {
            self.mail.came(account_id);
        }
        self.publish_sockets(&registry, account_id);
    }

    /// A connection is gone: from the registry and from its rooms.
    pub(super) async fn disconnect<O: Outlet>(&self, connection: &Connection<O>) {
        self.meters.sockets.decrement(1.0);
        let account_id = connection.identity().account_id;
        {
            let mut registry = self.registry.lock();
            if registry.remove(connection.serial()) == Turn::WentOffline {
                self.arrivals.tell(account_id, false);
            }
            self.publish_sockets(&registry, account_id);
        }
        for calendar_id in connection.retire() {
            // It is in that room, so the room is open and stays so.
            let inbox = self.rooms.read().by_id.get(&calendar_id).map(|door| door.inbox.clone());
            if let Some(inbox) = inbox {
                // An error means that the room is gone, and the connection with it.
                let _ = inbox.send(Command::Exit(connection.serial())).await;
            }
        }
    }

    /// Who came and went, for those who tell it.
    pub(super) const fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// What the other instances say changes; who came or went by it is told.
    pub(super) fn elsewhere(&self, change: impl FnOnce(&mut Elsewhere) -> Moves) {
        let mut registry = self.registry.lock();
        let moves = registry.elsewhere(change);
        self.arrivals.tell_all(moves);
    }

    /// Tells the other instances who is here.
    pub(super) fn publish_roster(&self) {
        let registry = self.registry.lock();
        self.service.bus.forward(Publication::Roster(registry.roster()));
    }

    fn publish_sockets(&self, registry: &Registry<Connection>, account_id: Uuid) {
        if self.service.bus.has_others() {
            let sockets = registry.sockets_of(account_id);
            self.service.bus.forward(Publication::Sockets(account_id, sockets));
        }
    }

    /// Waits for the drain, and for the last socket to be gone.
    pub(super) async fn emptied(&self) {
        self.service.lifecycle.draining().await;
        while self.registry(Registry::len) > 0 {
            sleep(LOOK_WHETHER_EMPTY).await;
        }
    }

    /// Runs `look` on who is connected.
    pub(super) fn registry<T>(&self, look: impl FnOnce(&Registry<Connection>) -> T) -> T {
        look(&self.registry.lock())
    }

    /// Hands a command to a room, which is opened if need be. When too many
    /// wait already, the command is refused as `unavailable`.
    pub(super) fn send(self: &Arc<Self>, calendar_id: Uuid, command: Command) {
        loop {
            if let Some(door) = self.rooms.read().by_id.get(&calendar_id) {
                if let Err(back) = door.inbox.try_send(command) {
                    back.into_inner().refuse(&Fault::unavailable("the room"));
                }
                return;
            }
            self.open(calendar_id);
        }
    }

    /// Hands a command to a room if it is open.
    pub(super) fn send_if_open(&self, calendar_id: Uuid, command: impl FnOnce() -> Command) {
        if let Some(door) = self.rooms.read().by_id.get(&calendar_id) {
            // A full room misses a wake-up, and finds what it missed in the log.
            let _ = door.inbox.try_send(command());
        }
    }

    /// The open room of this name.
    pub(super) fn room_named(&self, name: &str) -> Option<Uuid> {
        self.rooms.read().by_name.get(&fold(name)).copied()
    }

    /// Every open room, with the seq of the last change it has told.
    pub(super) fn told(&self) -> Vec<(Uuid, i64)> {
        let rooms = self.rooms.read();
        rooms.by_id.iter().map(|(id, door)| (*id, door.told.load(Ordering::Acquire))).collect()
    }

    /// The seq of the last change that an open room has told.
    pub(super) fn told_in(&self, calendar_id: Uuid) -> Option<i64> {
        self.rooms.read().by_id.get(&calendar_id).map(|door| door.told.load(Ordering::Acquire))
    }

    /// An open room has this name now.
    pub(super) fn name(&self, calendar_id: Uuid, name: &str) {
        let key = fold(name);
        let mut rooms = self.rooms.write();
        let Rooms { by_id, by_name } = &mut *rooms;
        if let Some(door) = by_id.get_mut(&calendar_id) {
            let old = door.name_key.replace(key.clone());
            if let Some(old) = old.filter(|old| by_name.get(old) == Some(&calendar_id)) {
                by_name.remove(&old);
            }
            by_name.insert(key, calendar_id);
        }
    }

    /// Closes a room, if `may_close` says so under the lock that commands are
    /// handed over with.
    pub(super) fn close_room(&self, calendar_id: Uuid, may_close: impl FnOnce() -> bool) -> bool {
        let mut rooms = self.rooms.write();
        if !may_close() {
            return false;
        }
        if let Some(door) = rooms.by_id.remove(&calendar_id) {
            self.meters.rooms.decrement(1.0);
            let key = door.name_key.filter(|key| rooms.by_name.get(key) == Some(&calendar_id));
            if let Some(key) = key {
                rooms.by_name.remove(&key);
            }
        }
        true
    }

    fn open(self: &Arc<Self>, calendar_id: Uuid) {
        let mut rooms = self.rooms.write();
        if rooms.by_id.contains_key(&calendar_id) {
            return;
        }
        let (inbox, commands) = mpsc::channel(INBOX);
        let told = Arc::new(AtomicI64::new(0));
        let keeper = Keeper::new(Arc::clone(self), calendar_id, commands, Arc::clone(&told));
        self.meters.rooms.increment(1.0);
        rooms.by_id.insert(calendar_id, Door { inbox, told, name_key: None });
        self.service.lifecycle.spawn(keeper.run());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.registry.lock().stand(self.account_id);
    }
}
