//! The task that keeps one room: it alone changes the room, so everything in it
//! has an order.
//!
//! Three things wake it: commands, a group of messages that was committed, and
//! a retry when the log could not be read. Whatever one wake-up brings is one
//! turn; at its end each socket is written once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chassis::fault::{Fault, Reason};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    connection::{Connection, Receipt},
    frame::{ServerFrame, Success},
    hub::Hub,
    replay::replay,
    room::{Entered, Offered, Promoted, Room},
};
use crate::{
    bus::Publication,
    message::{Committed, Post, Writer},
    model::Change,
};

/// Commands handled in one turn.
const TURN: usize = 512;
/// Changes read from the log at once.
const PAGE: u32 = 500;
/// From a failed read of the log to the next try.
const READ_AGAIN: Duration = Duration::from_millis(250);
/// A room that nobody is in stays open this long, for who comes back at once.
const LINGER: Duration = Duration::from_secs(10);
/// From a question to the database to the end of patience.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_800);

/// What a room is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Put a connection in.
    Enter(Box<Enter>),
    /// A connection was closed.
    Exit(u64),
    /// Changes were committed, here or elsewhere.
    Offer(Vec<Change>),
    /// The log has come this far.
    Reached(i64),
    /// Keep a message.
    Post(Box<Post<Receipt>>),
    /// A member is online from now on, or not any more.
    Presence {
        /// Who.
        username: Arc<str>,
        /// From now on.
        online: bool,
    },
    /// A replay has come this far.
    Promote {
        /// Whose.
        serial: u64,
        /// The last change replayed.
        seq: i64,
        /// How it goes on.
        reply: oneshot::Sender<Promoted>,
    },
}

/// A connection that wants in, and is known to be a member's.
#[derive(Debug)]
pub(super) struct Enter {
    /// Who.
    pub(super) connection: Arc<Connection>,
    /// The room's last seq when the membership was seen.
    pub(super) member_as_of: i64,
    /// The newest change that the client has.
    pub(super) have: Option<i64>,
    /// The members that are connected.
    pub(super) members_online: Vec<Arc<str>>,
    /// Whether it worked. `already_in_calendar`, `not_a_member`, `unavailable`.
    pub(super) reply: oneshot::Sender<Result<(), Fault>>,
}

/// Keeps one room.
pub(super) struct Keeper {
    hub: Arc<Hub>,
    calendar_id: Uuid,
    commands: mpsc::Receiver<Command>,
    /// The seq of the last change told, for whoever need not wake us for it.
    told: Arc<AtomicI64>,
    /// The name under which the hub knows the room.
    name: Arc<str>,
    writer: Writer<Receipt>,
}

// === impl Keeper ===

impl Keeper {
    /// A keeper for a room that is to be opened.
    pub(super) fn new(
        hub: Arc<Hub>,
        calendar_id: Uuid,
        commands: mpsc::Receiver<Command>,
        told: Arc<AtomicI64>,
    ) -> Self {
        let writer = Writer::new(hub.service.store.clone(), calendar_id);
        Self { hub, calendar_id, commands, told, name: "".into(), writer }
    }

    /// Keeps the room until nobody is left in it, or the calendar is gone.
    pub(super) async fn run(mut self) {
        let start = timeout(ANSWER_WITHIN, self.hub.service.store.room_start(self.calendar_id)).await;
        let start = match start {
            Ok(Ok(Some(start))) => start,
            Ok(Ok(None)) => return self.refuse_all(&Fault::of(Reason::CalendarNotFound)),
            Ok(Err(fault)) => return self.refuse_all(&fault),
            Err(_) => return self.refuse_all(&Fault::unavailable("the database")),
        };
        let mut room = Room::new(self.calendar_id, start.calendar_name.into(), start.last_seq);
        self.account(&mut room);
        self.keep(&mut room).await;
        self.refuse_all(&Fault::of(Reason::CalendarNotFound));
    }

    async fn keep(&mut self, room: &mut Room<Connection>) {
        let mut batch = Vec::new();
        let mut behind = false;
        let lifecycle = self.hub.service.lifecycle.clone();
        loop {
            let idle = room.is_empty() && self.writer.is_idle();
            tokio::select! {
                _ = self.commands.recv_many(&mut batch, TURN) => {}
                committed = self.writer.committed() => {
                    behind |= self.tell_committed(room, committed).await;
                    // What came in meanwhile goes into the next group with the rest.
                    while batch.len() < TURN && let Ok(command) = self.commands.try_recv() {
                        batch.push(command);
                    }
                }
                () = sleep(READ_AGAIN), if behind => behind = self.catch_up(room).await,
                () = sleep(LINGER), if idle => {
                    if self.hub.close_room(self.calendar_id, || self.commands.is_empty()) {
                        return;
                    }
                }
                () = lifecycle.draining(), if idle => {
                    if self.hub.close_room(self.calendar_id, || self.commands.is_empty()) {
                        return;
                    }
                }
            }
            for command in batch.drain(..) {
                behind |= self.obey(room, command).await;
            }
            room.flush();
            self.account(room);
            self.writer.start();
            if room.is_deleted() {
                return;
            }
        }
    }

    /// Does what a command says; true when the log must be read and cannot be.
    async fn obey(&mut self, room: &mut Room<Connection>, command: Command) -> bool {
        match command {
            Command::Enter(enter) => return self.let_in(room, *enter).await,
            Command::Exit(serial) => room.exit(serial),
            Command::Offer(changes) => return self.offer(room, &changes).await,
            Command::Reached(seq) if seq > room.last_seq() => return self.catch_up(room).await,
            Command::Reached(_) => {}
            Command::Post(post) => {
                if let Err((receipt, fault)) = self.writer.submit(*post) {
                    receipt.settle(Err(fault)).flush();
                }
            }
            Command::Presence { username, online } => {
                let verb = if online { "connected" } else { "disconnected" };
                room.whisper(&ServerFrame::Presence {
                    calendar_id: self.calendar_id,
                    calendar_name: Arc::clone(room.calendar_name()),
                    message: format!("{username} has {verb}"),
                    username,
                    online,
                    at: self.hub.clock.now(),
                });
            }
            Command::Promote { serial, seq, reply } => {
                // A replay that was dropped does not want to know.
                let _ = reply.send(room.promote(serial, seq));
            }
        }
        false
    }

    /// Tells what a group of messages became: acks and frames share a write.
    async fn tell_committed(&mut self, room: &mut Room<Connection>, committed: Committed<Receipt>) -> bool {
        let Committed { changes, outcomes } = committed;
        self.hub.meters.commits.increment(1);
        self.hub.meters.committed.increment(changes.len() as u64);
        let answered: Vec<_> = outcomes
            .into_iter()
            .map(|(receipt, outcome)| receipt.settle(outcome.map(Success::from)))
            .collect();
        let behind = self.offer(room, &changes).await;
        room.flush();
        for connection in answered {
            connection.flush();
        }
        self.account(room);
        if !changes.is_empty() {
            self.hub.service.bus.forward(Publication::Changes(changes));
        }
        behind
    }

    async fn offer(&mut self, room: &mut Room<Connection>, changes: &[Change]) -> bool {
        match room.offer(changes) {
            Offered::Told => false,
            Offered::Gap => {
                self.hub.meters.gaps.increment(1);
                self.catch_up(room).await
            }
        }
    }

    /// Reads the log from the last change told to its end; true when it cannot.
    async fn catch_up(&mut self, room: &mut Room<Connection>) -> bool {
        loop {
            let page = self.hub.service.store.changes_after(self.calendar_id, room.last_seq(), PAGE);
            let Ok(Ok(changes)) = timeout(ANSWER_WITHIN, page).await else { return true };
            room.catch_up(&changes);
            self.account(room);
            if changes.len() < PAGE as usize {
                return false;
            }
        }
    }

    /// Puts a connection in, at a known place of the log; true when the log
    /// must be read and cannot be.
    async fn let_in(&mut self, room: &mut Room<Connection>, enter: Enter) -> bool {
        let Enter { connection, member_as_of, have, members_online, reply } = enter;
        let mut behind = false;
        if room.last_seq() < member_as_of {
            behind = self.catch_up(room).await;
        }
        if behind {
            let _ = reply.send(Err(Fault::unavailable("the room")));
            return true;
        }
        // Members as of then need not be members as of now.
        if room.last_seq() > member_as_of {
            let (account, last) = (connection.identity().account_id, room.last_seq());
            let left = self.hub.service.store.left_between(self.calendar_id, account, member_as_of, last);
            let refusal = match timeout(ANSWER_WITHIN, left).await {
                Ok(Ok(false)) => None,
                Ok(Ok(true)) => Some(Fault::of(Reason::NotAMember)),
                Ok(Err(_)) | Err(_) => Some(Fault::unavailable("the room")),
            };
            if let Some(refusal) = refusal {
                let _ = reply.send(Err(refusal));
                return false;
            }
        }
        let replayed = self.hub.limits.replay_changes;
        let entered = room.enter(Arc::clone(&connection), members_online, have, replayed);
        let _ = reply.send(match entered {
            Entered::Already => Err(Fault::of(Reason::AlreadyInCalendar)),
            // Over: nobody waits for the answer.
            Entered::Live | Entered::Resync | Entered::Behind(..) | Entered::Over => Ok(()),
        });
        match entered {
            Entered::Resync => self.hub.meters.resyncs.increment(1),
            Entered::Behind(missed) => {
                let name = Arc::clone(room.calendar_name());
                let replay = replay(Arc::clone(&self.hub), connection, self.calendar_id, name, missed);
                self.hub.service.lifecycle.spawn(replay);
            }
            Entered::Live | Entered::Already | Entered::Over => {}
        }
        false
    }

    /// Lets the others know how far the room is, and how it is called.
    fn account(&mut self, room: &mut Room<Connection>) {
        self.hub.meters.frames_out.increment(room.take_frames_out());
        self.told.store(room.last_seq(), Ordering::Release);
        if !Arc::ptr_eq(&self.name, room.calendar_name()) {
            self.name = Arc::clone(room.calendar_name());
            self.hub.name(self.calendar_id, &self.name);
        }
    }

    /// Closes the room and answers whatever was handed to it.
    fn refuse_all(mut self, fault: &Fault) {
        self.hub.close_room(self.calendar_id, || true);
        while let Ok(command) = self.commands.try_recv() {
            command.refuse(fault);
        }
    }
}

// === impl Command ===

impl Command {
    /// It is not done: tells whoever waits for it.
    pub(super) fn refuse(self, fault: &Fault) {
        match self {
            Self::Enter(enter) => {
                let _ = enter.reply.send(Err(fault.clone()));
            }
            Self::Post(post) => post.receipt.settle(Err(fault.clone())).flush(),
            // What is only news is found in the log; a dropped reply says the rest.
            _ => {}
        }
    }
}
