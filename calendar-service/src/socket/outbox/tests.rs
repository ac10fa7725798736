//! What the kernel takes, and what waits for it.

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

/// A socket that has taken bytes before the kernel has, as TLS does.
#[derive(Debug, Default)]
struct Sealing {
    kernel: Arc<Kernel>,
    sealed: Mutex<Vec<u8>>,
}

impl Transport for Arc<Sealing> {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_flush()?;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.sealed.lock().extend_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn try_flush(&self) -> io::Result<()> {
        let mut sealed = self.sealed.lock();
        let taken = self.kernel.take(&sealed);
        sealed.drain(..taken);
        if sealed.is_empty() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

#[test]
fn what_tls_holds_back_blocks_until_the_kernel_has_it() {
    let sealing = Arc::new(Sealing::default());
    let outbox = Outbox::new(Arc::clone(&sealing), &SocketLimits::default(), Arc::new(Meters::new()));
    sealing.kernel.takes(30);
    outbox.send(&block(0, 100));
    assert!(
        outbox.is_blocked() && !outbox.is_drained(),
        "the first frame is with TLS, and not with the kernel"
    );
    outbox.send(&block(1, 100));
    sealing.kernel.takes(20);
    outbox.flush();
    assert!(outbox.is_blocked());
    sealing.kernel.takes(usize::MAX);
    outbox.flush();
    assert!(outbox.is_drained() && !outbox.is_blocked());
    let read = read(&sealing.kernel);
    for n in 0..2 {
        let wanted = format!("\"n\":{n}");
        assert!(matches!(&read[n], Message::Text(text) if text.contains(&wanted)), "{read:?}");
    }
}
