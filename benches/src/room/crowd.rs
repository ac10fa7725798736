//! All sockets of all rooms.

use std::{
    net::SocketAddr,
    ops::AddAssign,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use chassis::clock::{Clock as _, SystemClock};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    ACCOUNTS, MEMBERS, Room, SOCKETS,
    inbox::{Heard, Inbox},
};
use crate::{
    account::{Account, CALENDAR_PASSWORD},
    websocket::{self, Frame, Receiver, Sender},
};

/// Rooms that fill at once.
const AT_ONCE: usize = 8;

/// Rooms with their sockets connected and joined; dropping it closes them.
#[derive(Debug)]
pub struct Crowd {
    rooms: Vec<Filled>,
    /// One task a socket; none of them ends unless something is wrong.
    listeners: JoinSet<Result<()>>,
}

/// A room and the sending sides of its sockets.
type Filled = (Arc<Room>, Vec<Sender>);

/// How fast people talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One message at a time in all rooms: the next one is sent when everybody
    /// in the room has heard the last.
    OneByOne,
    /// So many messages on their way in each room at once.
    InFlight(usize),
}

/// What was said and heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Talk {
    /// Kept messages.
    pub messages: u64,
    /// Messages times those who heard them.
    pub deliveries: u64,
    /// How long it took until the last was heard.
    pub elapsed: Duration,
}

// === impl Talk ===

impl AddAssign for Talk {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.deliveries += more.deliveries;
        self.elapsed += more.elapsed;
    }
}

// === impl Crowd ===

impl Crowd {
    /// Fills the rooms (calendars that exist, by name): the first [`ACCOUNTS`]
    /// accounts go into the first room, the next into the second.
    /// Each room's sockets are spread over `doors`.
    pub async fn gather(doors: &[SocketAddr], rooms: &[String], accounts: &[Account]) -> Result<Self> {
        let groups = rooms.iter().zip(accounts.chunks_exact(ACCOUNTS));
        let filling = groups.map(|(name, accounts)| fill(doors, name.clone(), accounts.to_vec()));
        let filled: Vec<_> = stream::iter(filling).buffered(AT_ONCE).try_collect().await?;
        let mut crowd = Self { rooms: Vec::new(), listeners: JoinSet::new() };
        for (room, sockets) in filled {
            let mut senders = Vec::with_capacity(MEMBERS);
            for (sender, receiver, inbox) in sockets {
                senders.push(sender.clone());
                crowd.listeners.spawn(listen(Arc::clone(&room), sender, receiver, inbox));
            }
            crowd.rooms.push((room, senders));
        }
        Ok(crowd)
    }

    /// How many sockets there are.
    pub fn sockets(&self) -> usize {
        self.listeners.len()
    }

    /// Closes every socket.
    pub async fn leave(mut self) {
        self.listeners.shutdown().await;
    }

    /// Lets people talk for `time`, and waits until the last message was heard.
    pub async fn talk(&mut self, pace: Pace, time: Duration) -> Result<Talk> {
        let started = SystemClock.monotonic();
        let messages = async {
            match pace {
                Pace::OneByOne => one_by_one(&self.rooms, started, time).await,
                Pace::InFlight(count) => {
                    let rooms = self.rooms.iter().map(|room| in_flight(room, count, started, time));
                    Ok(try_join_all(rooms).await?.into_iter().sum())
                }
            }
        };
        let messages = tokio::select! {
            messages = messages => messages?,
            ended = self.listeners.join_next() => match ended.context("nobody listens")?? {
                Ok(()) => bail!("a socket stopped listening"),
                Err(error) => return Err(error),
            },
        };
        let elapsed = SystemClock.monotonic() - started;
        Ok(Talk { messages, deliveries: messages * MEMBERS as u64, elapsed })
    }
}

/// One message at a time in all rooms together, room after room.
async fn one_by_one(rooms: &[Filled], started: Instant, time: Duration) -> Result<u64> {
    let mut messages = 0;
    for (room, senders) in rooms.iter().cycle() {
        if SystemClock.monotonic() - started >= time {
            break;
        }
        say(room, senders, messages).await?;
        room.window.acquire().await?.forget();
        messages += 1;
    }
    Ok(messages)
}

/// `count` messages in flight in one room.
async fn in_flight(filled: &Filled, count: usize, started: Instant, time: Duration) -> Result<u64> {
    let (room, senders) = filled;
    room.window.add_permits(count);
    let mut messages = 0;
    while SystemClock.monotonic() - started < time {
        room.window.acquire().await?.forget();
        say(room, senders, messages).await?;
        messages += 1;
    }
    room.window.acquire_many(count as u32).await?.forget();
    Ok(messages)
}

/// The members speak in turn: none of them reaches the limit of a connection.
async fn say(room: &Room, senders: &[Sender], number: u64) -> Result<()> {
    let sender = &senders[number as usize % senders.len()];
    let text = format!("message {number}, about as long as what people say to each other");
    let frame = json!({"type": "message", "id": number, "calendar_name": room.name, "message": text});
    sender.text(&frame.to_string()).await
}

/// Connects the sockets of one room, one after the other.
async fn fill(
    doors: &[SocketAddr],
    name: String,
    accounts: Vec<Account>,
) -> Result<(Arc<Room>, Vec<(Sender, Receiver, Inbox)>)> {
    let mut sockets = Vec::with_capacity(MEMBERS);
    let mut door = doors.iter().cycle();
    for account in &accounts {
        for _ in 0..SOCKETS {
            let address = door.next().context("there is no door")?;
            sockets.push(join(*address, &name, account).await?);
        }
    }
    Ok((Arc::new(Room::new(name)), sockets))
}

/// Connects a socket and waits until it is in its room.
async fn join(address: SocketAddr, name: &str, account: &Account) -> Result<(Sender, Receiver, Inbox)> {
    let (sender, mut receiver) = websocket::connect(address, account.token.expose()).await?;
    let join = json!({
        "type": "join_calendar", "id": 0, "calendar_name": name, "calendar_password": CALENDAR_PASSWORD,
    });
    sender.text(&join.to_string()).await?;
    let mut inbox = Inbox::default();
    let mut joined = false;
    while !joined {
        let take = |frame: Frame<'_>| {
            if let Frame::Text(text) = frame {
                joined |= inbox.take(text)? == Heard::Joined;
            }
            Ok(())
        };
        receiver.frames(take).await?;
    }
    Ok((sender, receiver, inbox))
}

/// Hears until something is wrong.
async fn listen(room: Arc<Room>, sender: Sender, mut receiver: Receiver, mut inbox: Inbox) -> Result<()> {
    let mut pings = Vec::new();
    loop {
        let take = |frame: Frame<'_>| {
            match frame {
                Frame::Text(text) => {
                    if let Heard::Message(seq) = inbox.take(text)? {
                        room.hear(seq);
                    }
                }
                Frame::Ping(bytes) => pings.push(bytes.to_vec()),
                Frame::Close(code) => bail!("closed with {code}"),
            }
            Ok(())
        };
        receiver.frames(take).await?;
        for ping in pings.drain(..) {
            sender.pong(&ping).await?;
        }
    }
}
