//! A member who keeps listening: connects again whenever the connection ends, and resumes.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use anyhow::{Result, bail};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{
    person::Person,
    room::Room,
    socket::{End, Socket},
    wait::{Deadline, PATIENCE},
    ways::Traveller,
};

/// What a client remembers between two connections. All but the first are faults of the client, for tests
/// that must see a ledger turn red.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The last `seq` it heard.
    Good,
    /// One more: it misses a change at each reconnect.
    Ahead,
    /// One less: it hears a change twice.
    Behind,
}

/// A background task that follows one room.
#[derive(Debug)]
pub struct Follower {
    seqs: watch::Receiver<Vec<i64>>,
    resyncs: Arc<AtomicU32>,
    connections: Arc<AtomicU32>,
    cuts: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

struct Ear {
    whose: Whose,
    calendar: String,
    memory: Memory,
    seqs: watch::Sender<Vec<i64>>,
    resyncs: Arc<AtomicU32>,
    connections: Arc<AtomicU32>,
    cuts: Arc<AtomicU32>,
}

/// Who listens: always at one door, or at whichever is ready.
enum Whose {
    Person(Person),
    Traveller(Traveller),
}

// === impl Follower ===

impl Follower {
    /// Joins the room and follows it from now on.
    pub async fn start(person: &Person, calendar: &str) -> Result<Self> {
        Self::with_memory(person, calendar, Memory::Good).await
    }

    /// A follower with this memory.
    pub async fn with_memory(person: &Person, calendar: &str, memory: Memory) -> Result<Self> {
        Self::of(Whose::Person(person.clone()), calendar, memory).await
    }

    /// A follower who connects again through a gateway that is ready.
    pub async fn travelling(traveller: &Traveller, calendar: &str) -> Result<Self> {
        Self::of(Whose::Traveller(traveller.clone()), calendar, Memory::Good).await
    }

    async fn of(whose: Whose, calendar: &str, memory: Memory) -> Result<Self> {
        let (sender, seqs) = watch::channel(Vec::new());
        let room = whose.person().join(calendar).await?;
        let ear = Ear {
            whose,
            calendar: calendar.to_owned(),
            memory,
            seqs: sender,
            resyncs: Arc::default(),
            connections: Arc::default(),
            cuts: Arc::default(),
        };
        let (resyncs, connections) = (Arc::clone(&ear.resyncs), Arc::clone(&ear.connections));
        let cuts = Arc::clone(&ear.cuts);
        let start = room.ack["last_seq"].as_i64().unwrap_or_default();
        let task = tokio::spawn(ear.follow(room.socket, start));
        Ok(Self { seqs, resyncs, connections, cuts, task })
    }

    /// Waits until it has heard this `seq`.
    pub async fn reaches(&self, seq: i64) -> Result<()> {
        let mut seqs = self.seqs.clone();
        if timeout(PATIENCE, seqs.wait_for(|seqs| seqs.last().is_some_and(|last| *last >= seq)))
            .await
            .is_err()
        {
            let seqs = self.seqs();
            bail!("waited in vain for seq {seq}; heard {} up to {:?}", seqs.len(), seqs.last());
        }
        Ok(())
    }

    /// What it heard, in that order.
    pub fn seqs(&self) -> Vec<i64> {
        self.seqs.borrow().clone()
    }

    /// How often it was told to read anew.
    pub fn resyncs(&self) -> u32 {
        self.resyncs.load(Ordering::SeqCst)
    }

    /// How often it was connected.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many connections ended otherwise than by "connect again".
    pub fn cuts(&self) -> u32 {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Whose ===

impl Whose {
    fn person(&self) -> Person {
        match self {
            Self::Person(person) => person.clone(),
            Self::Traveller(traveller) => traveller.person(),
        }
    }
}

// === impl Ear ===

impl Ear {
    async fn follow(self, mut socket: Socket, mut last: i64) {
        loop {
            self.connections.fetch_add(1, Ordering::SeqCst);
            last = self.listen(&socket, last).await;
            if socket.heard(|heard| heard.end) != Some(End::Closed(1012)) {
                self.cuts.fetch_add(1, Ordering::SeqCst);
            }
            drop(socket);
            let remembered = match self.memory {
                Memory::Good => last,
                Memory::Ahead => last + 1,
                Memory::Behind => (last - 1).max(0),
            };
            let deadline = Deadline::after(PATIENCE);
            socket = loop {
                if let Some(again) = self.reconnect(remembered).await {
                    break again;
                }
                // The system does not come back; whoever waits for a seq will tell.
                if !deadline.look_again().await {
                    return;
                }
            };
        }
    }

    async fn reconnect(&self, last: i64) -> Option<Socket> {
        let socket = self.whose.person().socket().await.ok()?;
        let room = Room::resume(socket, &self.calendar, last).await.ok()?;
        (room.ack["calendars"][&self.calendar]["ok"] == true).then_some(room.socket)
    }

    /// Takes down what is heard until the connection ends; answers the last `seq`.
    async fn listen(&self, socket: &Socket, mut last: i64) -> i64 {
        let mut taken = 0;
        loop {
            let more = socket.more_than(taken).await;
            socket.heard(|heard| {
                for frame in &heard.frames[taken..] {
                    if frame["type"] == "resync" && frame["calendar_name"] == self.calendar.as_str() {
                        self.resyncs.fetch_add(1, Ordering::SeqCst);
                        last = frame["last_seq"].as_i64().unwrap_or(last);
                    } else if let Some(seq) = crate::room::seq_of(frame, &self.calendar) {
                        self.seqs.send_modify(|seqs| seqs.push(seq));
                        last = seq;
                    }
                }
                taken = heard.frames.len();
            });
            if !more {
                return last;
            }
        }
    }
}
