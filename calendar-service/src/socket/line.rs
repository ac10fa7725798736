//! The write side of one Socket.IO socket.
//!
//! socketioxide keeps a bounded queue in front of each socket, as the outbox
//! does for a WebSocket; when it is full the reader is too slow, and the socket
//! is disconnected rather than the room slowed.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::fault::Fault;
use futures::{FutureExt as _, future::BoxFuture};
use socketioxide::{
    SendError, SocketError,
    extract::{AckSender, SocketRef},
};
use tokio::sync::Notify;

use super::{
    close::CloseReason,
    frame::{Ack, Failure, Success},
    meters::Meters,
    outlet::{Answering, Outlet},
    room::Gone,
    wire::Block,
};

/// Between two looks at a full queue during a replay.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Looks in a row without success before a replay gives up.
const LOOKS: u32 = 2_000;

/// Tries to get the last packet into a full queue.
const HANG_UPS: u32 = 500;

/// Sends events to one client.
pub(super) struct Line {
    socket: SocketRef,
    over: AtomicBool,
    /// Woken at the end, by whichever side, and by a nudge.
    wake: Notify,
    meters: Arc<Meters>,
}

/// How a client wants an event answered.
pub(super) struct Answer {
    /// The callback; it does nothing when the client gave none.
    pub(super) ack: AckSender,
    /// Whether the client gave one.
    pub(super) wanted: bool,
}

// === impl Line ===

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("sid", &self.socket.id).field("over", &self.over).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Line {
    /// A line to this socket.
    pub(super) fn new(socket: SocketRef, meters: Arc<Meters>) -> Self {
        Self { socket, over: AtomicBool::new(false), wake: Notify::new(), meters }
    }

    /// The client is gone.
    pub(super) fn gone(&self) {
        self.over.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Tells the client's library that it is over, as soon as its queue takes it.
    pub(super) async fn hang_up(&self) {
        for _ in 0..HANG_UPS {
            match self.socket.clone().disconnect() {
                Err(SocketError::InternalChannelFull) => tokio::time::sleep(LOOK_AGAIN).await,
                Ok(()) | Err(_) => return,
            }
        }
    }

    /// Waits for the end, or a nudge; for one waiter.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether it is closing, or gone.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Looks at an outcome; false when the line is over.
    fn sent(&self, outcome: &Result<(), SendError>) -> bool {
        if is_full(outcome) {
            self.close(CloseReason::TooSlow);
        }
        !self.is_over()
    }
}

impl Outlet for Line {
    fn send(&self, block: &Block) {
        for event in block.events() {
            if !self.sent(&self.socket.emit(&event.name, &event.payload)) {
                return;
            }
        }
    }

    fn send_patiently<'a>(&'a self, block: &'a Block, gone: &'a Gone) -> BoxFuture<'a, bool> {
        async move {
            for event in block.events() {
                let mut looks = 0;
                loop {
                    if gone.is_set() || self.is_over() {
                        return false;
                    }
                    let outcome = self.socket.emit(&event.name, &event.payload);
                    looks += 1;
                    if !is_full(&outcome) {
                        break;
                    } else if looks > LOOKS {
                        self.close(CloseReason::TooSlow);
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
            true
        }
        .boxed()
    }

    /// Events are on their way when they are sent.
    fn flush(&self) {}

    /// Tells the reason, which Socket.IO has no close codes for; its pump
    /// disconnects.
    fn close(&self, reason: CloseReason) {
        if !self.over.swap(true, Ordering::AcqRel) {
            self.meters.closed(reason);
            let _ = self.socket.emit("error", &Failure::from(reason.fault()));
            self.wake.notify_one();
        }
    }

    fn nudge(&self) {
        self.wake.notify_one();
    }
}

impl Answering for Line {
    type Reply = Answer;

    /// By the callback, or, where the client gave none, a failure's text as
    /// `message`, as the source's code does.
    fn answer(&self, answer: Answer, outcome: Result<Success, Fault>) {
        if let Ok(Success::Command(report)) = outcome {
            // The source's clients know this answer, and nothing around it.
            if answer.wanted {
                self.sent(&answer.ack.send(&report));
            } else if let Some(fault) = report.fault() {
                self.sent(&self.socket.emit("message", &fault.detail));
            }
        } else if answer.wanted {
            self.sent(&answer.ack.send(&Ack::new(None, outcome)));
        } else if let Err(fault) = outcome {
            self.sent(&self.socket.emit("message", &fault.detail));
        }
    }
}

fn is_full(outcome: &Result<(), SendError>) -> bool {
    matches!(outcome, Err(SendError::Socket(SocketError::InternalChannelFull)))
}
