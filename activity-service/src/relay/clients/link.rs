//! One client's socket, and what could not be written to it yet.
//!
//! Two write: the processor, once per block and only while nothing is left over,
//! and the client's own task, which writes what was left over. Both do it under
//! the lock of the left-over bytes, without waiting, so the order stays.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{net::TcpStream, sync::Notify, time::timeout};

/// A connection that ends has this long to take what is left.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all clients together may have left over.
#[derive(Debug)]
pub(crate) struct Budget {
    unsent: AtomicUsize,
    /// For one client.
    one: usize,
    /// For all.
    all: usize,
    clients: AtomicUsize,
    max_clients: usize,
    less: Notify,
}

/// A connected client's socket.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    peer: SocketAddr,
    left_over: Mutex<LeftOver>,
    changed: Notify,
    /// No more will come; what is left over is still written.
    finishing: AtomicBool,
    budget: Arc<Budget>,
}

#[derive(Debug, Default)]
struct LeftOver {
    bytes: VecDeque<u8>,
    /// The peer is gone, or was cut off.
    cut: bool,
}

/// What became of bytes for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Written, or kept to be written.
    Taken,
    /// The client reads too slowly.
    Full,
    /// It is gone.
    Gone,
}

/// How far writing what is left over has come.
enum Progress {
    Wrote,
    Blocked,
    Nothing,
    Gone,
}

// === impl Budget ===

impl Budget {
    /// `one` client may have so many bytes left over, `all` together so many.
    pub(crate) fn new(one: usize, all: usize, max_clients: usize) -> Self {
        let (unsent, clients) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { unsent, one, all, clients, max_clients, less: Notify::new() }
    }

    /// Bytes left over, of all clients.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Relaxed)
    }

    /// Whether all clients together have more left over than they may.
    pub(crate) fn is_spent(&self) -> bool {
        self.unsent() > self.all
    }

    /// Waits until they no longer have.
    pub(crate) async fn room(&self) {
        while self.is_spent() {
            let less = self.less.notified();
            if !self.is_spent() {
                return;
            }
            less.await;
        }
    }

    pub(super) fn set_clients(&self, clients: usize) {
        self.clients.store(clients, Ordering::Relaxed);
    }

    pub(super) fn stage_size(&self) -> usize {
        super::stage_size(self.clients.load(Ordering::Relaxed))
    }

    /// Whether more than half of the places are taken.
    fn is_crowded(&self) -> bool {
        self.clients.load(Ordering::Relaxed) > self.max_clients / 2
    }

    fn give_back(&self, bytes: usize) {
        self.unsent.fetch_sub(bytes, Ordering::Relaxed);
        self.less.notify_one();
    }
}

// === impl Link ===

impl Link {
    /// A socket whose client has said its id.
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, budget: Arc<Budget>) -> Self {
        let (left_over, changed) = (Mutex::new(LeftOver::default()), Notify::new());
        Self { stream, peer, left_over, changed, finishing: AtomicBool::new(false), budget }
    }

    /// Where it connected from.
    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes left over.
    pub(crate) fn unsent(&self) -> usize {
        self.left_over.lock().bytes.len()
    }

    /// Writes at once what the socket takes and keeps the rest, within bounds.
    pub(crate) fn send(&self, bytes: &[u8]) -> Sent {
        let mut left_over = self.left_over.lock();
        if left_over.cut {
            return Sent::Gone;
        }
        let mut rest = bytes;
        while left_over.bytes.is_empty() && !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Sent::Gone,
            }
        }
        if rest.is_empty() {
            return Sent::Taken;
        }
        if left_over.bytes.len() + rest.len() > self.budget.one {
            return Sent::Full;
        }
        left_over.bytes.extend(rest);
        self.budget.unsent.fetch_add(rest.len(), Ordering::Relaxed);
        drop(left_over);
        self.changed.notify_one();
        Sent::Taken
    }

    /// No more will come.
    pub(crate) fn finish(&self) {
        self.finishing.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Ends it now; what is left over is dropped.
    pub(crate) fn cut(&self) {
        let mut left_over = self.left_over.lock();
        left_over.cut = true;
        self.budget.give_back(left_over.bytes.len());
        left_over.bytes = VecDeque::new();
        drop(left_over);
        self.finish();
    }

    /// Writes what is left over and watches the peer, until either end is gone.
    pub(crate) async fn attend(&self) {
        tokio::select! { () = self.write() => {}, () = self.watch() => {} }
        self.cut();
    }

    async fn write(&self) {
        loop {
            match self.write_some() {
                Progress::Wrote => tokio::task::consume_budget().await,
                Progress::Blocked if self.finishing.load(Ordering::Acquire) => {
                    if !matches!(timeout(FAREWELL, self.stream.writable()).await, Ok(Ok(()))) {
                        return;
                    }
                }
                Progress::Blocked => {
                    // `finish` and `cut` wake it too.
                    tokio::select! {
                        ready = self.stream.writable() => if ready.is_err() { return },
                        () = self.changed.notified() => {}
                    }
                }
                Progress::Nothing if self.finishing.load(Ordering::Acquire) => return,
                Progress::Nothing => self.changed.notified().await,
                Progress::Gone => return,
            }
        }
    }

    fn write_some(&self) -> Progress {
        let mut left_over = self.left_over.lock();
        if left_over.cut {
            return Progress::Gone;
        }
        let front = left_over.bytes.as_slices().0;
        if front.is_empty() {
            return Progress::Nothing;
        }
        match self.stream.try_write(front) {
            Ok(written) => {
                left_over.bytes.drain(..written);
                if left_over.bytes.is_empty() {
                    left_over.bytes = VecDeque::new();
                }
                self.budget.give_back(written);
                Progress::Wrote
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
            Err(_) => Progress::Gone,
        }
    }

    /// A client has nothing more to say: what it sends is dropped. One that only
    /// closed its sending side goes on receiving, as long as there are places.
    async fn watch(&self) {
        let mut ignored = [0; 512];
        loop {
            if self.stream.readable().await.is_err() {
                return;
            }
            match self.stream.try_read(&mut ignored) {
                Ok(0) if self.budget.is_crowded() => return,
                Ok(0) => std::future::pending().await,
                Ok(_) => tokio::task::consume_budget().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
