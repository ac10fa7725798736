//! A raw WebSocket: sends frames, and keeps everything that it hears.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{SinkExt as _, StreamExt as _, stream::SplitSink};
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{Mutex, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use crate::{
    door::{Answer, Door},
    wait::PATIENCE,
};

type Stream = WebSocketStream<TcpStream>;

/// An open connection; dropping it cuts it without a goodbye.
#[derive(Debug)]
pub struct Socket {
    sink: Mutex<SplitSink<Stream, Message>>,
    heard: watch::Receiver<Heard>,
    next_id: AtomicU64,
    reader: JoinHandle<()>,
}

/// Everything that came, in order.
#[derive(Debug, Default)]
pub struct Heard {
    /// The frames.
    pub frames: Vec<Value>,
    /// The end, once it has come.
    pub end: Option<End>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a close frame of this code.
    Closed(u16),
    /// Without one.
    Cut,
}

/// What the request for a WebSocket was answered with.
#[derive(Debug)]
pub enum Opening {
    /// 101.
    Upgraded(Socket),
    /// Anything else.
    Refused(Box<Answer>),
}

// === impl Opening ===

impl Opening {
    /// The socket, when there is one.
    pub fn upgraded(self) -> Result<Socket> {
        match self {
            Self::Upgraded(socket) => Ok(socket),
            Self::Refused(answer) => bail!("no upgrade: {} {}", answer.status, answer.text),
        }
    }

    /// The answer, when there is no socket.
    pub fn refused(self) -> Result<Answer> {
        match self {
            Self::Upgraded(_) => bail!("the socket was opened"),
            Self::Refused(answer) => Ok(*answer),
        }
    }
}

// === impl Socket ===

impl Socket {
    /// Asks for a WebSocket at a path, with these headers.
    pub async fn open(door: &Door, path: &str, headers: &[(&str, &str)]) -> Result<Opening> {
        let mut request = format!("ws://{}{path}", door.address()).into_client_request()?;
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes())?;
            request.headers_mut().append(name, value.parse()?);
        }
        let socket = TcpSocket::new_v4()?;
        socket.bind((door.source(), 0).into())?;
        let stream = socket.connect(door.address()).await?;
        stream.set_nodelay(true)?;
        match timeout(PATIENCE, client_async(request, stream)).await? {
            Ok((stream, _)) => Ok(Opening::Upgraded(Self::new(stream))),
            Err(tungstenite::Error::Http(response)) => {
                let (head, body) = response.into_parts();
                let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                let body = serde_json::from_str(&text).unwrap_or_default();
                let answer = Answer { status: head.status.as_u16(), headers: head.headers, text, body };
                Ok(Opening::Refused(Box::new(answer)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn new(stream: Stream) -> Self {
        let (sink, mut stream) = stream.split();
        let (ear, heard) = watch::channel(Heard::default());
        let reader = tokio::spawn(async move {
            let end = loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let frame = serde_json::from_str(&text)
                            .unwrap_or_else(|_| json!({ "type": "not JSON", "text": text.as_str() }));
                        ear.send_modify(|heard| heard.frames.push(frame));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        break End::Closed(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break End::Cut,
                }
            };
            ear.send_modify(|heard| heard.end = Some(end));
            // Answers the close frame and waits for the other side to hang up.
            while let Some(Ok(_)) = stream.next().await {}
        });
        Self { sink: Mutex::new(sink), heard, next_id: AtomicU64::new(1), reader }
    }

    /// Sends any message.
    pub async fn send_raw(&self, message: Message) -> Result<()> {
        Ok(self.sink.lock().await.send(message).await?)
    }

    /// Sends a frame that wants no ack.
    pub async fn send(&self, frame: &Value) -> Result<()> {
        self.send_raw(Message::text(frame.to_string())).await
    }

    /// Sends a frame with an id of our own and answers that id: for many in flight.
    pub async fn post(&self, kind: &str, mut payload: Value) -> Result<u64> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        payload["type"] = kind.into();
        payload["id"] = id.into();
        self.send(&payload).await?;
        Ok(id)
    }

    /// Waits for the ack of a posted frame.
    pub async fn ack(&self, id: u64) -> Result<Value> {
        self.frame(&format!("the ack of {id}"), |frame| frame["type"] == "ack" && frame["id"] == id).await
    }

    /// Posts a frame and waits for its ack, good or bad.
    pub async fn ask(&self, kind: &str, payload: Value) -> Result<Value> {
        let id = self.post(kind, payload).await?;
        self.ack(id).await
    }

    /// [`Self::ask`], and the ack must be a good one.
    pub async fn must(&self, kind: &str, payload: Value) -> Result<Value> {
        let ack = self.ask(kind, payload).await?;
        ensure!(ack["ok"] == true, "{kind} was refused: {ack}");
        Ok(ack)
    }

    /// [`Self::ask`], and the ack must be a refusal with this code.
    pub async fn refused(&self, kind: &str, payload: Value, code: &str) -> Result<Value> {
        let ack = self.ask(kind, payload).await?;
        ensure!(ack["ok"] == false && ack["code"] == code, "{kind}: expected {code}, got {ack}");
        Ok(ack)
    }

    /// Waits for the first frame, of all that ever came, that fits.
    pub async fn frame(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait(what, |heard| heard.frames.iter().find(|frame| fits(frame)).cloned()).await
    }

    /// Waits for the first frame of a type.
    pub async fn hears(&self, kind: &str) -> Result<Value> {
        self.frame(kind, |frame| frame["type"] == kind).await
    }

    /// Waits for the end.
    pub async fn end(&self) -> Result<End> {
        self.wait("the end of a socket", |heard| heard.end).await
    }

    /// Waits until what was heard says something. Fails at once when the connection ended without it.
    pub async fn wait<T>(&self, what: &str, mut look: impl FnMut(&Heard) -> Option<T>) -> Result<T> {
        let mut heard = self.heard.clone();
        let mut seen = None;
        let waiting = heard.wait_for(|heard| {
            seen = look(heard);
            seen.is_some() || heard.end.is_some()
        });
        let Ok(ended) = timeout(PATIENCE, waiting).await else {
            bail!("waited in vain for {what}; heard {}", self.tail());
        };
        drop(ended.context("the reader is gone")?);
        seen.with_context(|| format!("ended without {what}; heard {}", self.tail()))
    }

    /// Waits for more frames than these, however long; false when the connection ended without.
    pub async fn more_than(&self, frames: usize) -> bool {
        let mut heard = self.heard.clone();
        let more = heard.wait_for(|heard| heard.frames.len() > frames || heard.end.is_some()).await;
        more.is_ok_and(|heard| heard.frames.len() > frames)
    }

    /// Looks at everything that was heard so far.
    pub fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.borrow())
    }

    fn tail(&self) -> String {
        self.heard(|heard| {
            let last = &heard.frames[heard.frames.len().saturating_sub(5)..];
            let last: Vec<_> = last.iter().map(Value::to_string).collect();
            format!("{} frames, the end {:?}, at last {}", heard.frames.len(), heard.end, last.join(" "))
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
