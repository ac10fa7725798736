//! The task that keeps one room: it alone changes the room, so everything in it
//! has an order.
//!
//! Five things wake it: commands, a group of messages that was committed, the
//! end of a pause in which what was told waited to be written, or of the moment
//! in which messages are gathered ([`Turns`] has both), and the time to read the
//! log, which is when a gap stays one or could not be read.
//! Whatever is told in one turn is written once to each socket.

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
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout},
};
use uuid::Uuid;

use super::{
    connection::{Connection, Receipt},
    frame::{ServerFrame, Success},
    hub::Hub,
    replay::replay,
    room::{Entered, Offered, Promoted, Room},
    turns::Turns,
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
/// What another instance committed comes over the bus within this, as a rule:
/// what is missing longer is read from the log.
const ON_ITS_WAY: Duration = Duration::from_millis(20);
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
    /// Changes were committed, by an instance.
    Offer(Uuid, Vec<Change>),
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
    turns: Turns,
    /// When the messages that wait are committed, unless a group is on its way then.
    commit_at: Option<Instant>,
    /// The instances that had something to say since the last turn.
    voices: Vec<Uuid>,
    /// Whose messages were answered; the answers are written with the next turn.
    answered: Vec<Arc<Connection>>,
    /// When the log is read, if something is missing that long.
    read_at: Option<Instant>,
    /// The log could not be read when it was last tried.
    unread: bool,
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
        Self {
            hub,
            calendar_id,
            commands,
            told,
            name: "".into(),
            writer,
            turns: Turns::new(Instant::now()),
            commit_at: None,
            voices: Vec::new(),
            answered: Vec::new(),
            read_at: None,
            unread: false,
        }
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
        let lifecycle = self.hub.service.lifecycle.clone();
        loop {
            let held = room.is_holding() || !self.answered.is_empty();
            let idle = room.is_empty() && self.writer.is_idle() && !held;
            let (next_turn, read_at) = (self.turns.next(), self.read_at);
            let commit_at = self.commit_at.filter(|_| !self.writer.is_under_way());
            tokio::select! {
                _ = self.commands.recv_many(&mut batch, TURN) => {
                    // Others who have something to say may be ready as well: one statement for all.
                    if self.writer.is_idle() && batch.iter().any(|command| matches!(command, Command::Post(_))) {
                        yield_now().await;
                        self.receive(&mut batch);
                    }
                }
                committed = self.writer.committed() => {
                    self.tell_committed(room, committed).await;
                    // What came in meanwhile goes into the next group with the rest.
                    self.receive(&mut batch);
                }
                () = sleep_until(next_turn), if held => {}
                () = sleep_until(commit_at.unwrap_or(next_turn)), if commit_at.is_some() => {}
                () = sleep_until(read_at.unwrap_or(next_turn)), if read_at.is_some() => {
                    // A try that follows another is for the same gap.
                    self.hub.meters.gaps.increment(u64::from(!self.unread));
                    self.catch_up(room).await;
                }
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
                self.obey(room, command).await;
            }
            self.take_turn(room);
            self.account(room);
            if room.is_deleted() {
                return self.finish(room).await;
            }
            self.commit();
        }
    }

    /// The calendar is gone: answers what was said before that was known.
    async fn finish(&mut self, room: &mut Room<Connection>) {
        if self.writer.is_under_way() {
            let committed = self.writer.committed().await;
            self.tell_committed(room, committed).await;
        }
        let gone = Fault::of(Reason::CalendarNotFound);
        let refuse = |receipt: Receipt| receipt.settle(Err(gone.clone()));
        self.answered.extend(self.writer.give_up().map(refuse));
        for connection in self.answered.drain(..) {
            connection.flush();
        }
    }

    /// Commits what waits, if it is time.
    fn commit(&mut self) {
        if !self.writer.is_under_way() && self.commit_at.is_some_and(|at| at <= Instant::now()) {
            self.writer.start();
            // A message with a key went alone, a group is full some time: others may wait still.
            self.commit_at = self.commit_at.filter(|_| self.writer.is_waiting());
        }
    }

    /// Takes what is there, to the end of a turn.
    fn receive(&mut self, batch: &mut Vec<Command>) {
        while batch.len() < TURN
            && let Ok(command) = self.commands.try_recv()
        {
            batch.push(command);
        }
    }

    /// Writes what was told, if it is time: acks and frames share a write.
    fn take_turn(&mut self, room: &mut Room<Connection>) {
        let now = Instant::now();
        let held = room.is_holding() || !self.answered.is_empty();
        if !held {
            // What was heard was old news, or is still to come.
            self.voices.clear();
        }
        if held && (self.turns.is_due(now) || room.is_deleted()) {
            room.flush();
            for connection in self.answered.drain(..) {
                connection.flush();
            }
            self.turns.told(now, room.len(), self.voices.len());
            self.voices.clear();
        }
    }

    /// Does what a command says.
    async fn obey(&mut self, room: &mut Room<Connection>, command: Command) {
        match command {
            Command::Enter(enter) => self.let_in(room, *enter).await,
            Command::Exit(serial) => room.exit(serial),
            Command::Offer(by, changes) => {
                self.heard(by);
                self.offer(room, &changes).await;
            }
            Command::Reached(seq) if seq > room.last_seq() => self.catch_up(room).await,
            Command::Reached(_) => {}
            Command::Post(post) => {
                let now = Instant::now();
                // With a key it goes alone, and gains nothing by others.
                let at = if post.claim.is_some() { now } else { self.turns.commit_at(now) };
                self.commit_at = Some(self.commit_at.map_or(at, |earlier| earlier.min(at)));
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
    }

    /// Tells what a group of messages became: here with the next turn, and the
    /// other instances at once.
    async fn tell_committed(&mut self, room: &mut Room<Connection>, committed: Committed<Receipt>) {
        let Committed { changes, outcomes } = committed;
        self.hub.meters.commits.increment(1);
        self.hub.meters.committed.increment(changes.len() as u64);
        let settle = |(receipt, outcome): (Receipt, Result<_, _>)| receipt.settle(outcome.map(Success::from));
        self.answered.extend(outcomes.into_iter().map(settle));
        self.heard(self.hub.service.bus.instance());
        self.offer(room, &changes).await;
        if !changes.is_empty() {
            self.hub.service.bus.forward(Publication::Changes(changes));
        }
    }

    fn heard(&mut self, voice: Uuid) {
        if !self.voices.contains(&voice) {
            self.voices.push(voice);
        }
    }

    /// Tells changes in their order. What is missing before them is on its way,
    /// where others commit too and can be heard; else it is read now.
    async fn offer(&mut self, room: &mut Room<Connection>, changes: &[Change]) {
        let told = room.last_seq();
        if room.offer(changes) == Offered::Told {
            // What could not be read may be more than what has come.
            if !self.unread {
                self.read_at = None;
            }
            return;
        }
        let bus = &self.hub.service.bus;
        if bus.has_others() && bus.is_healthy() {
            let filled = room.last_seq() > told && !self.unread;
            if filled || self.read_at.is_none() {
                // Another gap, which is not older than this.
                self.read_at = Some(Instant::now() + ON_ITS_WAY);
            }
        } else {
            self.hub.meters.gaps.increment(1);
            self.catch_up(room).await;
        }
    }

    /// Reads the log from the last change told to its end; later, when it cannot.
    async fn catch_up(&mut self, room: &mut Room<Connection>) {
        self.read_at = None;
        loop {
            let page = self.hub.service.store.changes_after(self.calendar_id, room.last_seq(), PAGE);
            let Ok(Ok(changes)) = timeout(ANSWER_WITHIN, page).await else {
                self.read_at = Some(Instant::now() + READ_AGAIN);
                self.unread = true;
                return;
            };
            room.catch_up(&changes);
            self.account(room);
            if changes.len() < PAGE as usize {
                self.unread = false;
                return;
            }
        }
    }

    /// Puts a connection in, at a known place of the log.
    async fn let_in(&mut self, room: &mut Room<Connection>, enter: Enter) {
        let Enter { connection, member_as_of, have, members_online, reply } = enter;
        if room.last_seq() < member_as_of {
            self.catch_up(room).await;
        }
        if room.last_seq() < member_as_of {
            let _ = reply.send(Err(Fault::unavailable("the room")));
            return;
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
                return;
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
