//! The connected user clients and what is staged for each.
//!
//! A notification is a copy into the client's stage, nothing else: no lock, no
//! channel, no task woken. A stage is written to its socket once per block of
//! input ([`link::Link::send`]), or when it is full.

pub(crate) mod accept;
pub(crate) mod link;

use std::{collections::HashMap, sync::Arc};

use self::link::{Budget, Link, Sent};
use super::{
    followers::{Bits, Set},
    metrics,
    wire::{Line, ROOM},
};

/// No client.
const NONE: u32 = u32::MAX;
/// Most lines are shorter: a copy of a fixed size costs less than one of the exact size.
const SHORT: usize = 32;
const _: () = assert!(SHORT <= ROOM);
/// All stages together.
const STAGES: usize = 16 << 20;
/// One stage: larger ones gain nothing, smaller ones cost a system call each time.
const STAGE_MAX: usize = 64 << 10;
const STAGE_MIN: usize = 1 << 10;

/// Everybody who is connected.
#[derive(Debug)]
pub(crate) struct Clients {
    list: Vec<Client>,
    /// Id to place in the list.
    by_id: HashMap<u64, u32>,
    /// A user's number among the followers to place in the list.
    by_number: Vec<u32>,
    /// The numbers of those who are connected.
    connected: Bits,
    budget: Arc<Budget>,
}

#[derive(Debug)]
struct Client {
    id: u64,
    number: Option<u32>,
    link: Arc<Link>,
    /// Filled to `length`; the rest is zeros or older bytes.
    stage: Vec<u8>,
    length: usize,
    /// Why it has to go, once it has to.
    lost: Option<&'static str>,
}

// === impl Clients ===

impl Clients {
    /// Nobody is connected; what waits for sockets counts against `budget`.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        let connected = Bits::default();
        Self { list: Vec::new(), by_id: HashMap::new(), by_number: Vec::new(), connected, budget }
    }

    /// How many are connected.
    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    /// What waits for their sockets, together.
    pub(crate) fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }

    /// A client is there; an older connection of the same id gets what is staged
    /// for it, and ends.
    pub(crate) fn join(&mut self, id: u64, link: Arc<Link>, number: Option<u32>) {
        if let Some(place) = self.by_id.get(&id) {
            let client = &mut self.list[*place as usize];
            client.flush();
            client.link.finish();
            client.link = link;
            client.lost = None;
            metrics::client_dropped("replaced");
            return;
        }
        let place = self.list.len() as u32;
        self.list.push(Client { id, number: None, link, stage: Vec::new(), length: 0, lost: None });
        self.by_id.insert(id, place);
        if let Some(number) = number {
            self.numbered(id, number);
        }
    }

    /// This connection is gone; another one of the same id stays.
    pub(crate) fn leave(&mut self, id: u64, link: &Arc<Link>) {
        if let Some(place) = self.by_id.get(&id).copied()
            && Arc::ptr_eq(&self.list[place as usize].link, link)
        {
            self.remove(place);
        }
    }

    /// The user has got a number among the followers.
    pub(crate) fn numbered(&mut self, id: u64, number: u32) {
        if let Some(place) = self.by_id.get(&id) {
            self.list[*place as usize].number = Some(number);
            self.connected.insert(number);
            if self.by_number.len() <= number as usize {
                self.by_number.resize(number as usize + 1, NONE);
            }
            self.by_number[number as usize] = *place;
        }
    }

    /// All numbers are forgotten.
    pub(crate) fn forget_numbers(&mut self) {
        self.connected = Bits::default();
        self.by_number.clear();
        self.list.iter_mut().for_each(|client| client.number = None);
    }

    /// For everybody. Answers how many that are.
    #[inline]
    pub(crate) fn tell_all(&mut self, line: &Line) -> u64 {
        for client in &mut self.list {
            client.push(line, &self.budget);
        }
        self.list.len() as u64
    }

    /// For one, with their number if they have one. Answers whether they are connected.
    #[inline]
    pub(crate) fn tell(&mut self, id: u64, number: Option<u32>, line: &Line) -> u64 {
        // Most users have a number: that is looked up in a table, an id in a map.
        let place = match number {
            Some(number) => self.by_number.get(number as usize).copied().filter(|place| *place != NONE),
            None => self.by_id.get(&id).copied(),
        };
        let Some(place) = place else { return 0 };
        self.list[place as usize].push(line, &self.budget);
        1
    }

    /// For those of a set. Answers how many are connected.
    #[inline]
    pub(crate) fn tell_set(&mut self, set: &Set, line: &Line) -> u64 {
        let Self { list, by_number, connected, budget, .. } = self;
        let mut told = 0;
        set.each_in(connected, |number| {
            list[by_number[number as usize] as usize].push(line, budget);
            told += 1;
        });
        told
    }

    /// Writes what is staged, and lets go of those who are gone or too slow.
    pub(crate) fn flush(&mut self) {
        let size = self.budget.stage_size();
        let mut any_lost = false;
        for client in &mut self.list {
            if client.length > 0 {
                client.flush();
            }
            // More clients have come, or many have left.
            if client.stage.len() > size {
                client.stage = Vec::new();
            }
            any_lost |= client.lost.is_some();
        }
        if any_lost {
            self.let_go();
        }
        self.budget.set_clients(self.list.len());
    }

    /// Drops the client with the most unsent bytes.
    pub(crate) fn drop_fullest(&mut self) {
        let fullest = self.list.iter_mut().max_by_key(|client| client.link.unsent());
        if let Some(client) = fullest {
            client.lost = Some("slow");
            self.let_go();
        }
    }

    /// Everybody gets what is staged, and the connections end.
    pub(crate) fn finish(&mut self) {
        for mut client in self.list.drain(..) {
            client.flush();
            client.link.finish();
        }
        *self = Self::new(Arc::clone(&self.budget));
    }

    fn let_go(&mut self) {
        for place in (0..self.list.len()).rev() {
            let client = &self.list[place];
            if let Some(reason) = client.lost {
                tracing::info!(client = client.id, peer = %client.link.peer(), reason, "client dropped");
                metrics::client_dropped(reason);
                client.link.cut();
                self.remove(place as u32);
            }
        }
    }

    fn remove(&mut self, place: u32) {
        let client = self.list.swap_remove(place as usize);
        self.by_id.remove(&client.id);
        if let Some(number) = client.number {
            self.connected.remove(number);
            self.by_number[number as usize] = NONE;
        }
        // The last one has taken its place.
        if let Some(moved) = self.list.get(place as usize) {
            self.by_id.insert(moved.id, place);
            if let Some(number) = moved.number {
                self.by_number[number as usize] = place;
            }
        }
    }
}

// === impl Client ===

impl Client {
    #[inline]
    fn push(&mut self, line: &Line, budget: &Budget) {
        if self.length + ROOM > self.stage.len() {
            self.make_room(budget);
        }
        let start = self.length;
        let room = line.room();
        if line.len() <= SHORT {
            self.stage[start..start + SHORT].copy_from_slice(&room[..SHORT]);
        } else {
            self.stage[start..start + ROOM].copy_from_slice(room);
        }
        self.length += line.len();
    }

    #[cold]
    fn make_room(&mut self, budget: &Budget) {
        if self.stage.is_empty() {
            self.stage = vec![0; budget.stage_size()];
        } else {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.lost.is_none() {
            match self.link.send(&self.stage[..self.length]) {
                Sent::Taken => {}
                Sent::Full => self.lost = Some("slow"),
                Sent::Gone => self.lost = Some("gone"),
            }
        }
        self.length = 0;
    }
}

/// The size of one of `clients` stages.
fn stage_size(clients: usize) -> usize {
    (STAGES / clients.max(1)).clamp(STAGE_MIN, STAGE_MAX)
}
