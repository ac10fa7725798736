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
use tokio::{net::TcpStream, sync::Notify};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

use super::{
    close::CloseReason,
    frame::{ServerFrame, Success},
    limits::SocketLimits,
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
}

/// The queue of one socket.
#[derive(Debug)]
pub(super) struct Outbox<T = TcpStream> {
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
        self.queue.lock().chunks.is_empty()
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
        queue.blocked = false;
        // A drained queue keeps no memory.
        queue.chunks = VecDeque::new();
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
                Ok(all) if all == wire.len() => return,
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

// === impl Transport ===

impl Transport for TcpStream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::try_write_vectored(self, slices)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tokio_tungstenite::tungstenite::{
        Message,
        protocol::{Role, WebSocket},
    };

    use super::*;

    /// A kernel that takes as many bytes as it is told to.
    #[derive(Debug, Default)]
    struct Kernel {
        taken: Mutex<Vec<u8>>,
        room: Mutex<usize>,
    }

    impl Kernel {
        fn takes(&self, bytes: usize) {
            *self.room.lock() = bytes;
        }

        fn take(&self, bytes: &[u8]) -> usize {
            let mut room = self.room.lock();
            let taken = bytes.len().min(*room);
            *room -= taken;
            self.taken.lock().extend_from_slice(&bytes[..taken]);
            taken
        }
    }

    impl Transport for Arc<Kernel> {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            match self.take(bytes) {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                taken => Ok(taken),
            }
        }

        fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            match slices.iter().map(|slice| self.take(slice)).sum() {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                taken => Ok(taken),
            }
        }
    }

    fn outbox(limits: &SocketLimits) -> (Arc<Kernel>, Outbox<Arc<Kernel>>) {
        let kernel = Arc::new(Kernel::default());
        (Arc::clone(&kernel), Outbox::new(kernel, limits, Arc::new(Meters::new())))
    }

    fn block(n: usize, bytes: usize) -> Block {
        Block::of(&json!({ "n": n, "pad": "x".repeat(bytes) }))
    }

    /// Everything a client reads, until the end.
    fn read(kernel: &Kernel) -> Vec<Message> {
        let stream = io::Cursor::new(kernel.taken.lock().clone());
        let mut reader = WebSocket::from_raw_socket(stream, Role::Client, None);
        std::iter::from_fn(|| reader.read().ok()).collect()
    }

    #[test]
    fn what_the_kernel_takes_is_never_queued() {
        let (kernel, outbox) = outbox(&SocketLimits::default());
        kernel.takes(usize::MAX);
        outbox.send(&block(1, 10));
        assert!(outbox.is_drained() && !outbox.is_blocked());
        assert_eq!(outbox.queue.lock().chunks.capacity(), 0);
    }

    #[test]
    fn a_slow_reader_gets_whole_frames_and_then_1013() {
        let limits = SocketLimits { queued_frames: 20, ..SocketLimits::default() };
        let (kernel, outbox) = outbox(&limits);
        kernel.takes(30);
        for n in 0..22 {
            outbox.send(&block(n, 100));
        }
        assert_eq!(outbox.end(), Some(End::Sealed(CloseReason::TooSlow)));
        outbox.send(&block(99, 1));
        kernel.takes(usize::MAX);
        outbox.flush();
        let read = read(&kernel);
        // The frame that was torn is whole; the others of the queue are not sent.
        assert!(matches!(&read[0], Message::Text(text) if text.contains("\"n\":0")));
        assert!(matches!(&read[1], Message::Close(Some(close)) if u16::from(close.code) == 1013));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn bytes_are_bounded_as_well_as_frames() {
        let (_, outbox) = outbox(&SocketLimits::default());
        let large = block(0, 100_000);
        (0..10).for_each(|_| outbox.send(&large));
        assert_eq!(outbox.end(), None);
        outbox.send(&large);
        assert_eq!(outbox.end(), Some(End::Sealed(CloseReason::TooSlow)));
        assert!(outbox.queue.lock().bytes < 200, "what nobody reads is not kept");
    }

    #[tokio::test]
    async fn a_replay_waits_for_half_of_the_queue_and_not_beyond_the_end() {
        let limits = SocketLimits { queued_frames: 4, ..SocketLimits::default() };
        let (kernel, outbox) = outbox(&limits);
        (0..4).for_each(|n| outbox.push(&block(n, 10)));
        let outbox = Arc::new(outbox);
        let waiting = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move { outbox.eased().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        kernel.takes(usize::MAX);
        outbox.flush();
        waiting.await.unwrap();
        kernel.takes(0);
        (0..4).for_each(|n| outbox.push(&block(n, 10)));
        outbox.close(CloseReason::GoingAway);
        outbox.eased().await;
    }

    #[derive(Clone, Debug)]
    enum Act {
        Push(usize),
        Send(usize),
        Control,
        Takes(usize),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            (0_usize..300).prop_map(Act::Push),
            (0_usize..300).prop_map(Act::Send),
            Just(Act::Control),
            (0_usize..700).prop_map(Act::Takes),
        ];
        prop::collection::vec(act, 0..120)
    }

    proptest! {
        /// However the kernel cuts, the bytes that go out are those that came in, in order.
        #[test]
        fn nothing_is_torn_lost_or_reordered(acts in acts()) {
            let (kernel, outbox) = outbox(&SocketLimits::default());
            let mut expected = Vec::new();
            for (n, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Push(bytes) | Act::Send(bytes) => {
                        let block = block(n, bytes);
                        expected.extend_from_slice(block.wire());
                        if matches!(act, Act::Push(_)) { outbox.push(&block) } else { outbox.send(&block) }
                    }
                    Act::Control => {
                        expected.extend_from_slice(&[0x8a, 0]);
                        outbox.append_control(&[0x8a, 0]);
                    }
                    Act::Takes(bytes) => {
                        kernel.takes(bytes);
                        outbox.flush();
                    }
                }
                let queue = outbox.queue.lock();
                prop_assert_eq!(queue.bytes, queue.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>());
                prop_assert_eq!(queue.frames, queue.chunks.iter().map(|chunk| chunk.frames).sum::<usize>());
                prop_assert_eq!(kernel.taken.lock().len() + queue.bytes, expected.len());
            }
            kernel.takes(usize::MAX);
            outbox.flush();
            prop_assert_eq!(&*kernel.taken.lock(), &expected);
        }
    }
}
