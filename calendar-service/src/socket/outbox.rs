//! What waits to be written to one WebSocket.
//!
//! Whoever has frames for a socket writes them itself, at once, without
//! blocking: no task is woken and no channel is crossed for a delivery. Only
//! what the kernel does not take stays here, and only then the socket's own
//! pump is woken, to wait until the socket takes more.
//!
//! Everything for the socket goes through here, pings and close frames too: a
//! frame is never torn by another. The overflow rule: more than the allowed
//! frames or bytes end the connection with 1013, the room is not slowed.

use std::{
    collections::VecDeque,
    fmt::Debug,
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::Bytes;
use chassis::fault::Fault;
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

use super::{
    close::CloseReason,
    frame::{ServerFrame, Success},
    limits::SocketLimits,
    link::Link,
    meters::Meters,
    outlet::{Answering, Outlet},
    room::Gone,
    wire::Block,
};

/// Slices handed to one `writev`; the kernel takes up to 1,024.
const SLICES: usize = 64;

/// The write side of a socket.
pub(super) trait Transport: Debug + Send + Sync + 'static {
    /// Writes what fits without blocking.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes what fits of several slices without blocking.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Gives the kernel what was taken and is not with it yet, where there is such.
    fn try_flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The queue of one socket.
#[derive(Debug)]
pub(super) struct Outbox<T = Link> {
    queue: Mutex<Queue>,
    transport: T,
    /// Woken when the kernel takes no more, and when the end has come.
    wake: Notify,
    /// Woken when there is room for a replay to go on, and when the end has come.
    ease: Notify,
    max_frames: usize,
    max_bytes: usize,
    meters: Arc<Meters>,
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Chunk>,
    /// Sums over `chunks`.
    frames: usize,
    bytes: usize,
    /// The kernel took no more; the pump waits for it.
    blocked: bool,
    end: Option<End>,
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    frames: usize,
    /// Its beginning is written already: the rest must follow.
    torn: bool,
}

/// How far a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The close frame is in the queue, nothing comes after it.
    Sealed(CloseReason),
    /// The peer said goodbye; only the reply to that goes out.
    Answered,
    /// The transport is gone.
    Broken,
}

// === impl Outbox ===

impl<T: Transport> Outbox<T> {
    /// An empty queue in front of a socket.
    pub(super) fn new(transport: T, limits: &SocketLimits, meters: Arc<Meters>) -> Self {
        Self {
            queue: Mutex::default(),
            transport,
            wake: Notify::new(),
            ease: Notify::new(),
            max_frames: limits.queued_frames,
            max_bytes: limits.queued_bytes,
            meters,
        }
    }

    /// The socket itself.
    pub(super) const fn transport(&self) -> &T {
        &self.transport
    }

    /// Takes frames without writing: somebody flushes soon.
    pub(super) fn push(&self, block: &Block) {
        self.locked(|queue| {
            if queue.end.is_none() {
                queue.push(block.wire().clone(), block.frames(), false);
                self.bound(queue);
            }
        });
    }

    /// The peer said goodbye: no more frames, but the reply to it.
    pub(super) fn answer_goodbye(&self) {
        self.queue.lock().end.get_or_insert(End::Answered);
    }

    /// Takes bytes that the protocol library made: control frames.
    pub(super) fn append_control(&self, bytes: &[u8]) {
        self.locked(|queue| {
            if !matches!(queue.end, Some(End::Broken | End::Sealed(_))) {
                queue.push(Bytes::copy_from_slice(bytes), 1, false);
                self.bound(queue);
            }
        });
    }

    /// The end, when it has come.
    pub(super) fn end(&self) -> Option<End> {
        self.queue.lock().end
    }

    /// Whether bytes wait for the kernel.
    pub(super) fn is_blocked(&self) -> bool {
        self.queue.lock().blocked
    }

    /// Whether everything is with the kernel (or lost for good).
    pub(super) fn is_drained(&self) -> bool {
        let queue = self.queue.lock();
        queue.chunks.is_empty() && !queue.blocked
    }

    /// Waits until a replay may go on: half of the queue is free, or the end
    /// has come.
    pub(super) async fn eased(&self) {
        loop {
            let ease = self.ease.notified();
            {
                let queue = self.queue.lock();
                if queue.end.is_some() || self.is_easy(&queue) {
                    return;
                }
            }
            ease.await;
        }
    }

    /// Waits until the queue blocks, or ends, or for a nudge; for one waiter.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Runs under the lock, and keeps the gauge right.
    fn locked(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue.lock();
        let before = self.state(&queue);
        change(&mut queue);
        self.account(&queue, before);
    }

    /// What [`Self::account`] compares: bytes, and whether a replay may go on.
    fn state(&self, queue: &Queue) -> (usize, bool) {
        (queue.bytes, self.is_easy(queue))
    }

    fn account(&self, queue: &Queue, (bytes, was_easy): (usize, bool)) {
        self.meters.queued(queue.bytes as f64 - bytes as f64);
        if !was_easy && (queue.end.is_some() || self.is_easy(queue)) {
            self.ease.notify_waiters();
        }
    }

    fn is_easy(&self, queue: &Queue) -> bool {
        queue.frames <= self.max_frames / 2 && queue.bytes <= self.max_bytes / 2
    }

    fn write(&self, queue: &mut Queue) {
        while !queue.chunks.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = queue.chunks.len().min(SLICES);
            for (slice, chunk) in slices.iter_mut().zip(&queue.chunks) {
                *slice = IoSlice::new(&chunk.bytes);
            }
            match self.transport.try_write_vectored(&slices[..used]) {
                Ok(written) => queue.written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.block(queue),
                Err(_) => return self.broken(queue),
            }
        }
        // A drained queue keeps no memory.
        queue.chunks = VecDeque::new();
        self.settle(queue);
    }

    /// All is written: what the kernel has not taken of it blocks the queue still.
    fn settle(&self, queue: &mut Queue) {
        match self.transport.try_flush() {
            Ok(()) => queue.blocked = false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.block(queue),
            Err(_) => self.broken(queue),
        }
    }

    fn block(&self, queue: &mut Queue) {
        if !queue.blocked {
            queue.blocked = true;
            self.wake.notify_one();
        }
    }

    /// The overflow rule.
    fn bound(&self, queue: &mut Queue) {
        if queue.end.is_none() && (queue.frames > self.max_frames || queue.bytes > self.max_bytes) {
            queue.keep_only_the_torn();
            self.seal(queue, CloseReason::TooSlow);
        }
    }

    fn seal(&self, queue: &mut Queue, reason: CloseReason) {
        if queue.end.is_none() {
            let mut bytes = Vec::new();
            // A Vec takes every write.
            let _ = Frame::close(Some(reason.frame())).format(&mut bytes);
            queue.push(bytes.into(), 1, false);
            queue.end = Some(End::Sealed(reason));
            self.wake.notify_one();
        }
    }

    fn broken(&self, queue: &mut Queue) {
        queue.chunks = VecDeque::new();
        queue.frames = 0;
        queue.bytes = 0;
        queue.blocked = false;
        queue.end = Some(End::Broken);
        self.wake.notify_one();
    }
}

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        self.meters.queued(-(self.queue.get_mut().bytes as f64));
    }
}

impl<T: Transport> Outlet for Outbox<T> {
    fn send(&self, block: &Block) {
        let wire = block.wire();
        let mut queue = self.queue.lock();
        if queue.end.is_some() {
            return;
        }
        // The usual case: nothing waits, so nothing need be queued at all.
        let mut written = 0;
        if queue.chunks.is_empty() {
            match self.transport.try_write(wire) {
                Ok(all) if all == wire.len() => return self.settle(&mut queue),
                Ok(some) => written = some,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return self.broken(&mut queue),
            }
        }
        let before = self.state(&queue);
        queue.push(wire.slice(written..), block.frames(), written > 0);
        self.write(&mut queue);
        self.bound(&mut queue);
        self.account(&queue, before);
    }

    fn send_patiently<'a>(&'a self, block: &'a Block, gone: &'a Gone) -> BoxFuture<'a, bool> {
        async move {
            self.eased().await;
            let wanted = !gone.is_set() && self.end().is_none();
            if wanted {
                self.send(block);
            }
            wanted
        }
        .boxed()
    }

    fn flush(&self) {
        self.locked(|queue| self.write(queue));
    }

    fn close(&self, reason: CloseReason) {
        self.locked(|queue| {
            self.seal(queue, reason);
            self.write(queue);
        });
    }

    fn nudge(&self) {
        self.wake.notify_one();
    }
}

impl<T: Transport> Answering for Outbox<T> {
    /// The `id` of the frame; without one only failures are told.
    type Reply = Option<Value>;

    fn answer(&self, id: Option<Value>, outcome: Result<Success, Fault>) {
        if let Some(frame) = ServerFrame::answer(id, outcome) {
            self.push(&Block::of(&frame));
        }
    }
}

// === impl Queue ===

impl Queue {
    fn push(&mut self, bytes: Bytes, frames: usize, torn: bool) {
        self.bytes += bytes.len();
        self.frames += frames;
        self.chunks.push_back(Chunk { bytes, frames, torn });
    }

    fn written(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.chunks.front_mut() {
            if written < front.bytes.len() {
                front.torn |= written > 0;
                let _ = front.bytes.split_to(written);
                return;
            }
            written -= front.bytes.len();
            self.frames -= front.frames;
            self.chunks.pop_front();
        }
    }

    fn keep_only_the_torn(&mut self) {
        self.chunks.truncate(usize::from(self.chunks.front().is_some_and(|front| front.torn)));
        self.bytes = self.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        self.frames = self.chunks.iter().map(|chunk| chunk.frames).sum();
    }
}

#[cfg(test)]
mod tests;
