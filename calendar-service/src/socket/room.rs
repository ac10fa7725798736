//! One room: who listens, and how far the log has been told. No socket, no
//! database, no clock; the keeper drives it.
//!
//! A room tells its log in order: the change after the last one told is told, a
//! later one waits until the gap before it is filled, an earlier one is old news.
//! Membership comes from the log itself: frame n goes to those who are members
//! as of n. What is told until it is flushed goes out as one block, encoded once
//! and written once to each socket.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use uuid::Uuid;

use super::{
    frame::ServerFrame,
    wire::{Block, BlockBuilder},
};
use crate::model::{Change, ChangeKind, frame};

/// Frames told in one block; more go out in several.
const BLOCK_FRAMES: usize = 128;
/// Changes kept until what comes before them is there; the log has the others.
const AHEAD: usize = 1_024;

/// What a room needs to know of a connection.
pub(super) trait Listener: Send + Sync + 'static {
    /// Unique in this process.
    fn serial(&self) -> u64;
    /// Whose connection it is.
    fn account_id(&self) -> Uuid;
    /// Sends frames now.
    fn send(&self, block: &Block);
    /// The connection is in a room from now on; false when it is over and must
    /// not be.
    fn enter(&self, calendar_id: Uuid) -> bool;
    /// The connection is in a room no more.
    fn left(&self, calendar_id: Uuid);
}

/// A room.
#[derive(Debug)]
pub(super) struct Room<L: ?Sized> {
    calendar_id: Uuid,
    calendar_name: Arc<str>,
    last_seq: i64,
    /// What came before its turn.
    ahead: BTreeMap<i64, Change>,
    /// More came than is kept.
    overflowed: bool,
    places: HashMap<u64, Place<L>>,
    turn: BlockBuilder,
    frames_out: u64,
    deleted: bool,
}

#[derive(Debug)]
struct Place<L: ?Sized> {
    listener: Arc<L>,
    /// False while what it missed is replayed: then it hears nothing from here.
    live: bool,
    gone: Gone,
}

/// Set once the listener is in the room no more; a replay looks at it.
#[derive(Clone, Debug, Default)]
pub(super) struct Gone(Arc<AtomicBool>);

/// What became of changes that were offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// All are told, now or before.
    Told,
    /// Something is missing between what was told and what waits: it is to come,
    /// or to be read from the log.
    Gap,
}

/// How a connection came in.
#[derive(Clone, Debug)]
pub(super) enum Entered {
    /// It hears everything after the room's last seq.
    Live,
    /// It missed too much: it was told to read anew, and is live.
    Resync,
    /// It missed some, which is to be replayed; until then it hears nothing.
    Behind(Missed),
    /// It was in already.
    Already,
    /// It was closed meanwhile, and is not in.
    Over,
}

/// What a listener missed: a part of the log that the room has told.
#[derive(Clone, Debug)]
pub(super) struct Missed {
    /// It has everything up to here.
    pub(super) have: i64,
    /// The room is here. A replay must not run ahead of the room: what it sent
    /// beyond this, the room would send again.
    pub(super) upto: i64,
    /// Whether it is still wanted.
    pub(super) gone: Gone,
}

/// How a replay goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promoted {
    /// The listener has everything and is live.
    Live,
    /// There is more by now: the room is here.
    Behind(i64),
    /// The listener is in the room no more.
    Gone,
}

// === impl Room ===

impl<L: Listener + ?Sized> Room<L> {
    /// A room whose log has been told up to `last_seq` (nobody was there to hear it).
    pub(super) fn new(calendar_id: Uuid, calendar_name: Arc<str>, last_seq: i64) -> Self {
        Self {
            calendar_id,
            calendar_name,
            last_seq,
            ahead: BTreeMap::new(),
            overflowed: false,
            places: HashMap::new(),
            turn: BlockBuilder::default(),
            frames_out: 0,
            deleted: false,
        }
    }

    /// The seq of the last change told.
    pub(super) const fn last_seq(&self) -> i64 {
        self.last_seq
    }

    /// The calendar's name as of the last change told.
    pub(super) const fn calendar_name(&self) -> &Arc<str> {
        &self.calendar_name
    }

    /// How many listen.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody listens.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether something was told that is not sent yet.
    pub(super) fn is_holding(&self) -> bool {
        !self.turn.is_empty()
    }

    /// Whether the calendar is gone: there will be no further change.
    pub(super) const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Frames sent since this was last asked, counted per listener.
    pub(super) const fn take_frames_out(&mut self) -> u64 {
        std::mem::replace(&mut self.frames_out, 0)
    }

    /// Tells changes that came by wake-up, in whatever order they come: one that
    /// is too early waits for those before it.
    pub(super) fn offer<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) -> Offered {
        for change in changes {
            match change.seq - self.last_seq {
                ..=0 => {}
                1 => self.tell(change),
                _ if self.ahead.len() < AHEAD => {
                    self.ahead.insert(change.seq, change.clone());
                }
                _ => self.overflowed = true,
            }
        }
        while let Some(first) = self.ahead.first_entry().filter(|first| *first.key() <= self.last_seq + 1) {
            let change = first.remove();
            if change.seq > self.last_seq {
                self.tell(&change);
            }
        }
        if self.ahead.is_empty() && !self.overflowed { Offered::Told } else { Offered::Gap }
    }

    /// Tells changes read from the log after the last one told. The log has
    /// them in order and all of them: whatever number it skips does not exist,
    /// and what came too early is in it.
    pub(super) fn catch_up<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            if change.seq > self.last_seq {
                self.tell(change);
            }
        }
        self.ahead.clear();
        self.overflowed = false;
    }

    /// Says something that is not kept to everybody who is live.
    pub(super) fn whisper(&mut self, frame: &ServerFrame) {
        self.turn.push(frame);
    }

    /// Puts a connection into the room. `have` is the newest change that its
    /// client knows; of those after it, at most `replay` are replayed.
    pub(super) fn enter(
        &mut self,
        listener: Arc<L>,
        members_online: Vec<Arc<str>>,
        have: Option<i64>,
        replay: i64,
    ) -> Entered {
        if self.places.contains_key(&listener.serial()) {
            return Entered::Already;
        }
        if !listener.enter(self.calendar_id) {
            return Entered::Over;
        }
        // Whoever comes in now has nothing to do with what was told before.
        self.flush();
        let (calendar_id, calendar_name, last_seq) =
            (self.calendar_id, Arc::clone(&self.calendar_name), self.last_seq);
        let mut greeting = BlockBuilder::default();
        greeting.push(&ServerFrame::Joined {
            calendar_id,
            calendar_name: Arc::clone(&calendar_name),
            members_online,
            last_seq,
        });
        let gone = Gone::default();
        let entered = match have {
            None => Entered::Live,
            Some(have) if have == last_seq => Entered::Live,
            Some(have) if have < last_seq && last_seq - have <= replay => {
                Entered::Behind(Missed { have, upto: last_seq, gone: gone.clone() })
            }
            // Too much, or more than there is: a log that was set back.
            Some(_) => {
                greeting.push(&ServerFrame::Resync { calendar_id, calendar_name, last_seq });
                Entered::Resync
            }
        };
        listener.send(&greeting.build());
        let live = !matches!(entered, Entered::Behind(..));
        self.places.insert(listener.serial(), Place { listener, live, gone });
        entered
    }

    /// A replay has come as far as `seq`, which the room has told: the listener
    /// is live from here, if that is as far as the room is.
    pub(super) fn promote(&mut self, serial: u64, seq: i64) -> Promoted {
        self.flush();
        match self.places.get_mut(&serial) {
            None => Promoted::Gone,
            Some(place) if seq == self.last_seq => {
                place.live = true;
                Promoted::Live
            }
            Some(_) => Promoted::Behind(self.last_seq),
        }
    }

    /// Takes a connection out: it was closed.
    pub(super) fn exit(&mut self, serial: u64) {
        if let Some(place) = self.places.remove(&serial) {
            place.gone.set();
            place.listener.left(self.calendar_id);
        }
    }

    /// Sends what was told since the last time: one write for each socket.
    pub(super) fn flush(&mut self) {
        if self.turn.is_empty() {
            return;
        }
        let block = std::mem::take(&mut self.turn).build();
        let live = self.places.values().filter(|place| place.live);
        let mut sent = 0;
        for place in live {
            place.listener.send(&block);
            sent += 1;
        }
        self.frames_out += sent * block.frames() as u64;
    }

    fn tell(&mut self, change: &Change) {
        self.last_seq = change.seq;
        match change.kind {
            ChangeKind::MemberLeft => {
                // Up to here they are members and hear everything, from here nothing.
                self.flush();
                self.put_out(|place| Some(place.listener.account_id()) == change.subject);
            }
            ChangeKind::SettingsChanged => {
                if let Some(name) = renamed(change) {
                    self.calendar_name = name;
                }
            }
            _ => {}
        }
        self.turn.push_text(frame(change, &self.calendar_name).as_bytes());
        if self.turn.frames() >= BLOCK_FRAMES {
            self.flush();
        }
        if change.kind == ChangeKind::CalendarDeleted {
            self.flush();
            self.put_out(|_| true);
            self.deleted = true;
        }
    }

    /// Puts listeners out of the room, and says so to them.
    fn put_out(&mut self, who: impl Fn(&Place<L>) -> bool) {
        let farewell = Block::of(&ServerFrame::Left {
            calendar_id: self.calendar_id,
            calendar_name: Arc::clone(&self.calendar_name),
        });
        for (_, place) in self.places.extract_if(|_, place| who(place)) {
            place.gone.set();
            place.listener.left(self.calendar_id);
            place.listener.send(&farewell);
        }
    }
}

/// The new name in a `settings_changed`.
fn renamed(change: &Change) -> Option<Arc<str>> {
    let payload: Value = serde_json::from_str(&change.payload).ok()?;
    payload.pointer("/calendar/calendar_name")?.as_str().map(Arc::from)
}

// === impl Gone ===

impl Gone {
    /// Whether the listener is in the room no more.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
impl<L: Listener + ?Sized> Room<L> {
    /// Panics when the room disagrees with itself.
    pub(super) fn check_invariants(&self) {
        assert!(self.ahead.keys().all(|seq| *seq > self.last_seq + 1), "what can be told does not wait");
        for (serial, place) in &self.places {
            assert_eq!(*serial, place.listener.serial());
            assert!(!place.gone.is_set(), "who is in is not gone");
        }
        assert!(!self.deleted || self.places.is_empty(), "nobody is in a calendar that is gone");
    }

    /// The serials of who is in.
    pub(super) fn serials(&self) -> Vec<u64> {
        self.places.keys().copied().collect()
    }
}
