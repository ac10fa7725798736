//! Receives webhooks at little cost: HTTP/1.1 with kept connections, 204 to
//! everybody, each id counted.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use chassis::clock::{Clock as _, SystemClock};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::latency::Latencies;

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// A request that grows past this is none of ours.
const LARGEST: usize = 64 * 1024;
/// Between two looks of who waits.
const POLL: Duration = Duration::from_millis(5);

/// A listener on loopback, and what arrived there.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    log: Arc<Mutex<Arrivals>>,
    serving: JoinHandle<()>,
}

/// What arrived.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    times: HashMap<String, u32>,
    /// From the time that a timer was due to its request; one that is early counts as 0.
    pub lateness: Latencies,
    /// Requests before their timer was due.
    pub early: u64,
    /// When the last request of an id that was new arrived.
    pub last_new: Option<Timestamp>,
    /// What was no webhook.
    pub malformed: u64,
}

/// One request, as far as it matters.
struct Webhook<'a> {
    id: &'a str,
    due_at: Timestamp,
}

// === impl Receiver ===

impl Receiver {
    /// Listens on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let log = Arc::new(Mutex::new(Arrivals::default()));
        let serving = tokio::spawn(serve(listener, Arc::clone(&log)));
        Ok(Self { address, log, serving })
    }

    /// The address to give to timers.
    pub fn url(&self) -> String {
        format!("http://{}/timers", self.address)
    }

    /// What has arrived since the last [`Self::forget`].
    pub fn arrivals(&self) -> Arrivals {
        lock(&self.log).clone()
    }

    /// How many ids arrived.
    pub fn distinct(&self) -> usize {
        lock(&self.log).times.len()
    }

    /// Begins to count anew.
    pub fn forget(&self) {
        *lock(&self.log) = Arrivals::default();
    }

    /// Waits for so many ids; an error when they do not come in time.
    pub async fn wait_for(&self, ids: usize, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.distinct() < ids {
            ensure!(Instant::now() < deadline, "{} of {ids} arrived in {patience:?}", self.distinct());
            sleep(POLL).await;
        }
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

// === impl Arrivals ===

impl Arrivals {
    /// How many ids arrived.
    pub fn distinct(&self) -> usize {
        self.times.len()
    }

    /// Requests beyond the first of an id.
    pub fn repeats(&self) -> u64 {
        self.times.values().map(|times| u64::from(times - 1)).sum()
    }

    fn note(&mut self, webhook: &Webhook<'_>) {
        let now = SystemClock.now();
        let late = now.duration_since(webhook.due_at);
        self.early += u64::from(late.is_negative());
        self.lateness.record(Duration::try_from(late).unwrap_or_default());
        if let Some(times) = self.times.get_mut(webhook.id) {
            *times += 1;
        } else {
            self.times.insert(webhook.id.to_owned(), 1);
            self.last_new = Some(now);
        }
    }
}

async fn serve(listener: TcpListener, log: Arc<Mutex<Arrivals>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            // A sender that was killed cuts its connections: that is no failure here.
            let _ = converse(stream, &log).await;
        });
    }
}

async fn converse(mut stream: TcpStream, log: &Mutex<Arrivals>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4 * 1024);
    loop {
        let Some(length) = whole(&buffer)? else {
            ensure!(buffer.len() < LARGEST, "a request is too long");
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        {
            let mut log = lock(log);
            match read(&buffer[..length]) {
                Ok(webhook) => log.note(&webhook),
                Err(_) => log.malformed += 1,
            }
        }
        buffer.drain(..length);
        stream.write_all(ANSWER).await?;
    }
}

/// The length of the first request, once all of it is there.
fn whole(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).context("the head is not text")?;
    let length: usize = header(head, "content-length").context("no length")?.parse()?;
    Ok(Some(end + 4 + length).filter(|whole| *whole <= bytes.len()))
}

fn read(request: &[u8]) -> Result<Webhook<'_>> {
    let text = std::str::from_utf8(request).context("not text")?;
    let (head, body) = text.split_once("\r\n\r\n").context("no body")?;
    if !head.starts_with("POST /timers/") {
        bail!("not for us");
    }
    let id = header(head, "webhook-id").context("no id")?;
    let due_at = body.split_once(r#""due_at":""#).and_then(|(_, rest)| rest.split('"').next());
    Ok(Webhook { id, due_at: due_at.context("not due")?.parse()? })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn lock(log: &Mutex<Arrivals>) -> std::sync::MutexGuard<'_, Arrivals> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_client::HttpClient;

    fn request(id: &str, due_at: &str) -> Vec<u8> {
        let body = format!(r#"{{"id":"{id}","type":"timer.fired","data":{{"due_at":"{due_at}"}}}}"#);
        let length = body.len();
        format!("POST /timers/{id} HTTP/1.1\r\nWebhook-Id: {id}\r\ncontent-length: {length}\r\n\r\n{body}")
            .into_bytes()
    }

    #[test]
    fn a_request_counts_only_when_it_is_whole() {
        let bytes = request("a", "2026-01-01T00:00:00Z");
        for cut in 0..bytes.len() {
            assert!(whole(&bytes[..cut]).is_ok_and(|length| length.is_none()), "after {cut} bytes");
        }
        let two = [bytes.clone(), bytes.clone()].concat();
        assert_eq!(whole(&two).expect("well formed"), Some(bytes.len()));
        assert_eq!(read(&bytes).expect("a webhook").id, "a");
    }

    #[tokio::test]
    async fn each_id_is_counted_and_early_ones_are_seen() {
        let receiver = Receiver::start().await.expect("a port");
        let mut stream = TcpStream::connect(receiver.address).await.expect("a connection");
        for (id, due_at) in
            [("a", "2026-01-01T00:00:00Z"), ("b", "2026-01-01T00:00:00Z"), ("a", "9999-01-01T00:00:00Z")]
        {
            stream.write_all(&request(id, due_at)).await.expect("sent");
        }
        stream.write_all(b"POST /else HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}").await.expect("sent");
        receiver.wait_for(2, Duration::from_secs(10)).await.expect("arrive");
        let mut answers = vec![0; 4 * ANSWER.len()];
        stream.read_exact(&mut answers).await.expect("four answers");
        let arrivals = receiver.arrivals();
        assert_eq!((arrivals.distinct(), arrivals.repeats()), (2, 1));
        assert_eq!((arrivals.early, arrivals.malformed), (1, 1));
        receiver.forget();
        assert_eq!(receiver.distinct(), 0);
        drop(HttpClient::connect(receiver.address).await.expect("it goes on"));
    }
}
