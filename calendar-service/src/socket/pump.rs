//! Drives one raw WebSocket, from the upgrade to the last byte.
//!
//! Four things can happen next: the client sends, the outbox blocks or ends,
//! what the client asked is done, time passes. One `select!` waits for all of
//! them. While something is being done for the client nothing more is read from
//! it: its frames are handled in order of receipt, and TCP makes it wait.
//! Messages are the exception that makes pipelining fast: they are handed to
//! their room and the next frame is read at once; the room keeps their order.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::{
    task::yield_now,
    time::{Sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{
    self, Message,
    protocol::{Role, WebSocket, WebSocketConfig, frame::Frame},
};

use super::{
    ask::Ask,
    close::CloseReason,
    connection::Connection,
    desk::perform,
    hub::{Hub, Seat},
    limits::SocketLimits,
    link::Link,
    outbox::{End, Outbox},
    outlet::Outlet as _,
    peer::{Member, Step},
    ping::{Beat, Heartbeat},
};

/// What one read takes from the kernel.
const READ_BUFFER: usize = 4 * 1024;
/// Frames handled before others get their turn.
const FRAMES_AT_ONCE: usize = 32;
/// Bytes read before others get their turn: fragments make no frame for long.
const BYTES_AT_ONCE: usize = 64 * 1024;
/// For what was begun to be done.
const FINISH: Duration = Duration::from_secs(2);
/// For the last bytes to reach the client.
const FAREWELL: Duration = Duration::from_secs(3);
/// For the client to close its side after ours.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// One raw WebSocket.
pub(super) struct Pump {
    hub: Arc<Hub>,
    connection: Arc<Connection<Outbox>>,
    socket: WebSocket<Wire>,
    member: Member,
    heartbeat: Heartbeat,
    /// When the session's time is over.
    expires: Instant,
    /// What is being done for the client.
    busy: Option<BoxFuture<'static, ()>>,
}

/// The two sides of the socket, as the protocol library sees them.
struct Wire {
    connection: Arc<Connection<Outbox>>,
    /// Bytes that may still be read in this turn.
    allowance: usize,
}

/// What the last look at the socket said.
enum Look {
    /// There may be more.
    More,
    /// Nothing more now.
    Dry,
    /// The end.
    Over,
}

// === impl Pump ===

impl Pump {
    /// A pump for a connection that is registered. `read` is what came with
    /// the upgrade. Boxed: a future that is handed a value keeps room for it twice.
    pub(super) fn new(
        hub: Arc<Hub>,
        read: &Bytes,
        connection: Arc<Connection<Outbox>>,
        member: Member,
    ) -> Box<Self> {
        let limits: SocketLimits = hub.limits;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(limits.frame_bytes))
            .max_frame_size(Some(limits.frame_bytes));
        let wire = Wire { connection: Arc::clone(&connection), allowance: 0 };
        let socket = WebSocket::from_partially_read(wire, read.to_vec(), Role::Server, Some(config));
        let now = hub.clock.monotonic();
        let lives = connection.identity().expires_at.duration_since(hub.clock.now());
        let expires = now + Duration::try_from(lives).unwrap_or_default();
        let heartbeat = Heartbeat::new(now, limits.ping_every, limits.pong_within);
        Box::new(Self { hub, connection, socket, member, heartbeat, expires, busy: None })
    }

    /// Runs until the connection has come to its end, and a little longer: the
    /// close frame is to reach the client. The seat is free before that.
    pub(super) async fn run(mut self: Box<Self>, seat: Seat) {
        self.pump().await;
        // Boxed: what the end needs is not kept for the life of the socket.
        Box::pin(self.end(seat)).await;
    }

    async fn end(mut self: Box<Self>, seat: Seat) {
        // Whatever was begun is done, and answered if that still works.
        let busy = self.busy.take();
        let begun = async {
            if let Some(busy) = busy {
                busy.await;
            }
            self.connection.settled().await;
        };
        let _ = timeout(FINISH, begun).await;
        if self.connection.is_leaving() {
            self.connection.say_goodbye();
        }
        self.hub.disconnect(&self.connection).await;
        drop(seat);
        let outbox = self.connection.outlet();
        if let Some(End::Sealed(reason)) = outbox.end() {
            tracing::debug!(connection = %self.connection.id(), ?reason, "socket closed");
            self.hub.meters.closed(reason);
        }
        let _ = timeout(FAREWELL, drain(outbox)).await;
        part(outbox.transport()).await;
    }

    async fn pump(&mut self) {
        let timer = sleep_until(self.next_look().into());
        tokio::pin!(timer);
        let mut look = Look::More;
        loop {
            while self.busy.is_none() && matches!(look, Look::More) {
                look = self.read();
                if matches!(look, Look::More) {
                    yield_now().await;
                }
            }
            let outbox = self.connection.outlet();
            let over = matches!(look, Look::Over) || outbox.end().is_some();
            if over || self.connection.is_leaving() {
                return;
            }
            let (link, blocked) = (outbox.transport(), outbox.is_blocked());
            tokio::select! {
                () = outbox.woken() => {}
                ready = link.writable(), if blocked => match ready {
                    Ok(()) => outbox.flush(),
                    Err(_) => return,
                },
                ready = link.readable(), if self.busy.is_none() => match ready {
                    Ok(()) => look = Look::More,
                    Err(_) => return,
                },
                () = done(&mut self.busy) => {
                    self.busy = None;
                    // The library may have read further than the last frame.
                    look = Look::More;
                }
                () = &mut timer => self.on_time(timer.as_mut()),
            }
        }
    }

    /// Reads and handles frames until there are no more, or enough for now.
    fn read(&mut self) -> Look {
        self.socket.get_mut().allowance = BYTES_AT_ONCE;
        for _ in 0..FRAMES_AT_ONCE {
            let message = match self.socket.read() {
                Ok(message) => message,
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if self.socket.get_ref().allowance == 0 { Look::More } else { Look::Dry };
                }
                Err(error) => {
                    if let Some(reason) = CloseReason::of(&error) {
                        self.connection.close(reason);
                    }
                    return Look::Over;
                }
            };
            self.hub.meters.frames_in.increment(1);
            self.on_message(message);
            if self.connection.outlet().end().is_some() {
                return Look::Over;
            }
            if self.busy.is_some() {
                break;
            }
        }
        Look::More
    }

    fn on_message(&mut self, message: Message) {
        let now = self.hub.clock.monotonic();
        match message {
            Message::Text(text) => match self.member.on_text(text.as_str(), now) {
                Step::Do(id, ask) => self.begin(id, ask),
                Step::Refuse(id, fault) => {
                    self.connection.answer(id, Err(fault));
                    self.connection.flush();
                }
                Step::RefuseAndClose(id, fault, reason) => {
                    self.connection.answer(id, Err(fault));
                    self.connection.close(reason);
                }
            },
            Message::Binary(_) => self.connection.close(CloseReason::Binary),
            // The library has the pong ready, and sends it at the next read.
            Message::Ping(_) => self.on_control(now),
            Message::Pong(_) => {
                self.heartbeat.pong(now);
                self.on_control(now);
            }
            Message::Close(_) => {
                self.connection.outlet().answer_goodbye();
                // Lets the library put its reply into the outbox.
                let _ = self.socket.flush();
            }
            // Only ever written, never read.
            Message::Frame(_) => {}
        }
    }

    fn on_control(&mut self, now: Instant) {
        if let Err(reason) = self.member.on_control(now) {
            self.connection.close(reason);
        }
    }

    /// Begins what the client asks. What needs no waiting is done at once: a
    /// message for an open room is on its way when this returns.
    fn begin(&mut self, id: Option<Value>, ask: Ask) {
        let (hub, connection) = (Arc::clone(&self.hub), Arc::clone(&self.connection));
        let work: BoxFuture<'static, ()> = if matches!(ask, Ask::Message { calendar_name: Some(_), .. }) {
            Box::pin(perform(hub, connection, id, ask))
        } else {
            // Everything else takes effect after the messages before it.
            Box::pin(async move {
                connection.settled().await;
                perform(hub, connection, id, ask).await;
            })
        };
        self.busy = undone(work);
    }

    fn next_look(&self) -> Instant {
        self.heartbeat.next().min(self.expires)
    }

    fn on_time(&mut self, timer: std::pin::Pin<&mut Sleep>) {
        let now = self.hub.clock.monotonic();
        if now >= self.expires {
            self.connection.close(CloseReason::SessionEnded);
        }
        match self.heartbeat.beat(now) {
            Beat::Wait => {}
            Beat::Ping => {
                let mut ping = Vec::new();
                // A Vec takes every write.
                let _ = Frame::ping(Bytes::new()).format(&mut ping);
                self.connection.outlet().append_control(&ping);
                self.connection.flush();
            }
            Beat::Dead => self.connection.close(CloseReason::Silent),
        }
        timer.reset(self.next_look().into());
    }
}

/// Waits until everything that is queued is with the kernel.
async fn drain(outbox: &Outbox) {
    outbox.flush();
    while !outbox.is_drained() {
        if outbox.transport().writable().await.is_err() {
            return;
        }
        outbox.flush();
    }
}

/// Ends our side, and looks at the other one until it ends too: bytes left
/// unread would make the kernel reset the connection, and the client lose the
/// close frame.
async fn part(link: &Link) {
    link.finish();
    let silence = async {
        let mut waste = [0_u8; 1024];
        while link.readable().await.is_ok() {
            match link.try_read(&mut waste) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = timeout(LAST_LOOK, silence).await;
    link.cut();
}

/// Polls once: most messages need no more than that, and no wait then.
fn undone(mut work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
    use futures::FutureExt as _;

    match (&mut work).now_or_never() {
        Some(()) => None,
        None => Some(work),
    }
}

/// Waits for what is being done; for ever when nothing is.
async fn done(busy: &mut Option<BoxFuture<'static, ()>>) {
    match busy {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

// === impl Wire ===

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let read = self.connection.outlet().transport().try_read(buffer)?;
        self.allowance = self.allowance.saturating_sub(read);
        Ok(read)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.outlet().append_control(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush();
        Ok(())
    }
}
