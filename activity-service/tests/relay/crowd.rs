//! Clients that come back whenever they are cut off, and a source that sends
//! again what it does not know to have arrived.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::sleep,
};

/// Lines are shuffled within batches of so many places.
pub(crate) const BATCH: usize = 500;
/// The source is never further ahead of the position that it knows.
const AHEAD: u64 = 10_000;
const SOON: Duration = Duration::from_millis(5);

/// A client that always comes back; what each of its connections was told.
pub(crate) struct Returning {
    sessions: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

/// How far the stream is known to have come: what a client was told.
pub(crate) type Position = Arc<AtomicU64>;

// === impl Returning ===

impl Returning {
    /// Connects to whichever of these serves; moves `position` as it is told.
    pub(crate) fn start(addresses: Vec<SocketAddr>, id: u64, position: Option<Position>) -> Self {
        let sessions: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&sessions);
        let task = tokio::spawn(async move {
            for address in addresses.iter().cycle() {
                if let Ok(stream) = TcpStream::connect(address).await {
                    kept.lock().push(Vec::new());
                    read(stream, id, &kept, position.as_ref()).await;
                }
                sleep(SOON).await;
            }
        });
        Self { sessions, task }
    }

    /// Everything it was told, by connection.
    pub(crate) fn sessions(&self) -> Vec<Vec<u8>> {
        self.sessions.lock().iter().filter(|session| !session.is_empty()).cloned().collect()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(mut stream: TcpStream, id: u64, sessions: &Mutex<Vec<Vec<u8>>>, position: Option<&Position>) {
    if stream.write_all(format!("{id}\n").as_bytes()).await.is_err() {
        return;
    }
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let mut sessions = sessions.lock();
        let Some(session) = sessions.last_mut() else { return };
        session.extend_from_slice(&buffer[..read]);
        if let Some(position) = position {
            position.fetch_max(last_place(session), Ordering::SeqCst);
        }
    }
}

/// The place of the last whole line.
fn last_place(session: &[u8]) -> u64 {
    let whole = session.iter().rposition(|byte| *byte == b'\n').map_or(&session[..0], |end| &session[..end]);
    place(whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()).unwrap_or(0)
}

/// The place of a line.
pub(crate) fn place(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b'|').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Sends all lines, and after every broken connection those again that are not
/// known to have arrived, until the last place is reached.
pub(crate) async fn send_until_arrived(address: SocketAddr, lines: Vec<Vec<u8>>, position: Position) {
    let last = lines.len() as u64;
    while position.load(Ordering::SeqCst) < last {
        if let Ok(stream) = TcpStream::connect(address).await {
            send_while_connected(stream, &lines, &position).await;
        }
        sleep(SOON).await;
    }
}

async fn send_while_connected(mut stream: TcpStream, lines: &[Vec<u8>], position: &Position) {
    let last = lines.len() as u64;
    let mut sent = position.load(Ordering::SeqCst) as usize / BATCH * BATCH;
    loop {
        let known = position.load(Ordering::SeqCst);
        if known >= last || is_closed(&stream) {
            return;
        }
        if sent as u64 >= last || sent as u64 > known + AHEAD {
            sleep(SOON).await;
            continue;
        }
        let batch = lines[sent..].iter().take(BATCH).flatten().copied().collect::<Vec<u8>>();
        if stream.write_all(&batch).await.is_err() {
            return;
        }
        sent += BATCH;
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 1]) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}
