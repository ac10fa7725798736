//! One connection, of either kind, as the rest of the house sees it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use chassis::{fault::Fault, tokens::Identity};
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    close::CloseReason,
    frame::{ServerFrame, Success},
    outlet::{Answering, Outlet},
    registry::Entry,
    room::{Gone, Listener},
    wire::Block,
};

/// A connection of a known account. Its pump knows of which kind it is; for
/// everybody else it is a `Connection<dyn Outlet>`. The outlet lies inside: a
/// room comes to it with one step.
#[derive(Debug)]
pub(super) struct Connection<O: ?Sized = dyn Outlet> {
    serial: u64,
    id: Uuid,
    identity: Identity,
    gateway_id: Option<Arc<str>>,
    /// The rooms it is in; `None` once it is over: then it enters no more.
    rooms: Mutex<Option<Vec<Uuid>>>,
    pending: Pending,
    leaving: AtomicBool,
    outlet: O,
}

/// Messages handed to their rooms and not answered yet.
#[derive(Debug, Default)]
struct Pending {
    count: AtomicUsize,
    zero: Notify,
}

/// The promise to answer a message, kept by the room's writer.
pub(super) struct Receipt {
    connection: Arc<Connection>,
    answer: Option<Answer>,
}

type Answer = Box<dyn FnOnce(Result<Success, Fault>) + Send>;

// === impl Connection ===

impl<O> Connection<O> {
    /// A connection that is nobody's listener yet.
    pub(super) fn new(
        serial: u64,
        id: Uuid,
        identity: Identity,
        gateway_id: Option<Arc<str>>,
        outlet: O,
    ) -> Self {
        Self {
            serial,
            id,
            identity,
            gateway_id,
            rooms: Mutex::new(Some(Vec::new())),
            pending: Pending::default(),
            leaving: AtomicBool::new(false),
            outlet,
        }
    }

    /// Its write side.
    pub(super) const fn outlet(&self) -> &O {
        &self.outlet
    }
}

impl<O: Answering> Connection<O> {
    /// Answers a frame; see [`Answering::answer`].
    pub(super) fn answer(&self, reply: O::Reply, outcome: Result<Success, Fault>) {
        self.outlet.answer(reply, outcome);
    }
}

impl<O: Outlet + ?Sized> Connection<O> {
    /// Names it in logs and to its client.
    pub(super) const fn id(&self) -> Uuid {
        self.id
    }

    /// Whose connection it is.
    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
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
        self.outlet.send(&Block::of(frame));
    }

    /// Sends what waits.
    pub(super) fn flush(&self) {
        self.outlet.flush();
    }

    /// Sends frames of a replay; see [`Outlet::send_patiently`].
    pub(super) async fn send_patiently(&self, block: &Block, gone: &Gone) -> bool {
        self.outlet.send_patiently(block, gone).await
    }

    /// Closes it, behind what is queued.
    pub(super) fn close(&self, reason: CloseReason) {
        self.outlet.close(reason);
    }

    /// Asks its pump to finish what was begun, say goodbye and close.
    pub(super) fn send_away(&self) {
        self.leaving.store(true, Ordering::Release);
        self.outlet.nudge();
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

impl<O: ?Sized> Entry for Connection<O> {
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

impl<O: Outlet + ?Sized> Listener for Connection<O> {
    fn serial(&self) -> u64 {
        self.serial
    }

    fn account_id(&self) -> Uuid {
        self.identity.account_id
    }

    fn send(&self, block: &Block) {
        self.outlet.send(block);
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
    pub(super) fn new<O: Answering>(connection: &Arc<Connection<O>>, reply: O::Reply) -> Self {
        connection.pending.count.fetch_add(1, Ordering::AcqRel);
        let answering = Arc::clone(connection);
        let answer = Box::new(move |outcome| answering.answer(reply, outcome));
        Self { connection: Arc::<Connection<O>>::clone(connection), answer: Some(answer) }
    }

    /// Keeps it. Answers the connection, which may want to be flushed.
    pub(super) fn settle(mut self, outcome: Result<Success, Fault>) -> Arc<Connection> {
        if let Some(answer) = self.answer.take() {
            answer(outcome);
        }
        Arc::clone(&self.connection)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("connection", &self.connection.id).finish_non_exhaustive()
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // The room ended before its writer came to this one.
        if let Some(answer) = self.answer.take() {
            answer(Err(Fault::unavailable("the room")));
            self.connection.flush();
        }
        if self.connection.pending.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.connection.pending.zero.notify_waiters();
        }
    }
}
