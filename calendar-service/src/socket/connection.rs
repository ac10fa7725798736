//! One connection, of either kind, as the rest of the house sees it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use chassis::{fault::Fault, tokens::Identity};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    close::CloseReason,
    frame::{ServerFrame, Success},
    line::{Answer, Line},
    outbox::Outbox,
    registry::Entry,
    room::{Gone, Listener},
    wire::Block,
};

/// A connection of a known account.
#[derive(Debug)]
pub(super) struct Connection {
    serial: u64,
    id: Uuid,
    identity: Identity,
    gateway_id: Option<Arc<str>>,
    outlet: Outlet,
    /// The rooms it is in; `None` once it is over: then it enters no more.
    rooms: Mutex<Option<Vec<Uuid>>>,
    pending: Pending,
    leaving: AtomicBool,
}

/// Where frames go.
#[derive(Debug)]
pub(super) enum Outlet {
    /// A raw WebSocket.
    WebSocket(Arc<Outbox>),
    /// A Socket.IO socket.
    SocketIo(Line),
}

/// How a client wants to be answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// On `/ws`: an ack with this `id`; without one only failures are told.
    Frame(Option<Value>),
    /// On Socket.IO: the callback, where there is one.
    Event(Answer),
}

/// Messages handed to their rooms and not answered yet.
#[derive(Debug, Default)]
struct Pending {
    count: AtomicUsize,
    zero: Notify,
}

/// The promise to answer a message, kept by the room's writer.
#[derive(Debug)]
pub(super) struct Receipt {
    connection: Arc<Connection>,
    reply: Option<Reply>,
}

// === impl Connection ===

impl Connection {
    /// A connection that is nobody's listener yet.
    pub(super) fn new(
        serial: u64,
        id: Uuid,
        identity: Identity,
        gateway_id: Option<Arc<str>>,
        outlet: Outlet,
    ) -> Self {
        let rooms = Mutex::new(Some(Vec::new()));
        Self {
            serial,
            id,
            identity,
            gateway_id,
            outlet,
            rooms,
            pending: Pending::default(),
            leaving: AtomicBool::new(false),
        }
    }

    /// Names it in logs and to its client.
    pub(super) const fn id(&self) -> Uuid {
        self.id
    }

    /// Whose connection it is.
    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The Socket.IO side, where it has one.
    pub(super) const fn line(&self) -> Option<&Line> {
        match &self.outlet {
            Outlet::SocketIo(line) => Some(line),
            Outlet::WebSocket(_) => None,
        }
    }

    /// It is over: it enters no room from now on. Answers those it is in.
    pub(super) fn retire(&self) -> Vec<Uuid> {
        self.rooms.lock().take().unwrap_or_default()
    }

    /// Whether it is in this room now.
    pub(super) fn is_in(&self, calendar_id: Uuid) -> bool {
        self.rooms.lock().as_ref().is_some_and(|rooms| rooms.contains(&calendar_id))
    }

    /// Sends one frame now.
    pub(super) fn say(&self, frame: &ServerFrame) {
        self.send(&Block::of(frame));
    }

    /// Answers a frame. The answer may wait for [`Self::flush`], so that it
    /// shares a write with what follows.
    pub(super) fn answer(&self, reply: Reply, outcome: Result<Success, Fault>) {
        match (&self.outlet, reply) {
            (Outlet::WebSocket(outbox), Reply::Frame(id)) => {
                if let Some(frame) = ServerFrame::answer(id, outcome) {
                    outbox.push(&Block::of(&frame));
                }
            }
            (Outlet::SocketIo(line), Reply::Event(answer)) => line.answer(answer, outcome),
            // Each pump makes only the replies of its own kind.
            (Outlet::WebSocket(_), Reply::Event(_)) | (Outlet::SocketIo(_), Reply::Frame(_)) => {}
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&self) {
        if let Outlet::WebSocket(outbox) = &self.outlet {
            outbox.flush();
        }
    }

    /// Sends frames of a replay as fast as the reader takes them; false when
    /// the listener is in the room no more, or the connection at its end.
    pub(super) async fn send_patiently(&self, block: &Block, gone: &Gone) -> bool {
        match &self.outlet {
            Outlet::WebSocket(outbox) => {
                outbox.eased().await;
                let wanted = !gone.is_set() && outbox.end().is_none();
                if wanted {
                    outbox.send(block);
                }
                wanted
            }
            Outlet::SocketIo(line) => line.send_patiently(block, gone).await,
        }
    }

    /// Closes it, behind what is queued.
    pub(super) fn close(&self, reason: CloseReason) {
        match &self.outlet {
            Outlet::WebSocket(outbox) => outbox.seal(reason),
            Outlet::SocketIo(line) => line.close(reason),
        }
    }

    /// Asks its pump to finish what was begun, say goodbye and close.
    pub(super) fn send_away(&self) {
        self.leaving.store(true, Ordering::Release);
        match &self.outlet {
            Outlet::WebSocket(outbox) => outbox.nudge(),
            Outlet::SocketIo(line) => line.nudge(),
        }
    }

    /// Whether it was asked to.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Says goodbye: when to come back, another time for each connection so
    /// that they do not all come at once, and 1012.
    pub(super) fn say_goodbye(&self) {
        let retry_after_ms = rand::random_range(500..=5_000);
        self.say(&ServerFrame::GoingAway { retry_after_ms });
        self.close(CloseReason::GoingAway);
    }

    /// Waits until every message that was handed to a room is answered.
    pub(super) async fn settled(&self) {
        loop {
            let zero = self.pending.zero.notified();
            if self.pending.count.load(Ordering::Acquire) == 0 {
                return;
            }
            zero.await;
        }
    }
}

impl Entry for Connection {
    fn serial(&self) -> u64 {
        self.serial
    }

    fn account_id(&self) -> Uuid {
        self.identity.account_id
    }

    fn session_id(&self) -> Uuid {
        self.identity.session_id
    }

    fn gateway_id(&self) -> Option<&str> {
        self.gateway_id.as_deref()
    }
}

impl Listener for Connection {
    fn serial(&self) -> u64 {
        self.serial
    }

    fn account_id(&self) -> Uuid {
        self.identity.account_id
    }

    fn send(&self, block: &Block) {
        match &self.outlet {
            Outlet::WebSocket(outbox) => outbox.send(block),
            Outlet::SocketIo(line) => line.send(block),
        }
    }

    fn enter(&self, calendar_id: Uuid) -> bool {
        let mut rooms = self.rooms.lock();
        if let Some(rooms) = rooms.as_mut() {
            rooms.push(calendar_id);
        }
        rooms.is_some()
    }

    fn left(&self, calendar_id: Uuid) {
        if let Some(rooms) = self.rooms.lock().as_mut() {
            rooms.retain(|room| *room != calendar_id);
        }
    }
}

// === impl Receipt ===

impl Receipt {
    /// A promise to answer `reply` on this connection.
    pub(super) fn new(connection: Arc<Connection>, reply: Reply) -> Self {
        connection.pending.count.fetch_add(1, Ordering::AcqRel);
        Self { connection, reply: Some(reply) }
    }

    /// Keeps it. Answers the connection, which may want to be flushed.
    pub(super) fn settle(mut self, outcome: Result<Success, Fault>) -> Arc<Connection> {
        if let Some(reply) = self.reply.take() {
            self.connection.answer(reply, outcome);
        }
        Arc::clone(&self.connection)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.connection.pending.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.connection.pending.zero.notify_waiters();
        }
    }
}
