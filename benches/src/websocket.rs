//! A WebSocket client that costs little: text out, whole frames in, no copies.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    time::{Instant, sleep},
};

/// The sending side; clones share the connection.
#[derive(Clone, Debug)]
pub struct Sender {
    write: Arc<Mutex<OwnedWriteHalf>>,
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiver {
    read: OwnedReadHalf,
    /// What has come and is not a whole frame yet.
    buffer: Vec<u8>,
}

/// What a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message.
    Text(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// The end, with its code.
    Close(u16),
}

/// How long a place for one more socket is waited for, and between two tries.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// The next two bytes are the length.
const LENGTH_16: u8 = 0x7e;
/// The next eight bytes are the length.
const LENGTH_64: u8 = 0x7f;

/// Connects to `/ws` with a token in the header. Where the account has too many sockets, those of
/// the load before are on their way out.
pub async fn connect(address: SocketAddr, token: &str) -> Result<(Sender, Receiver)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(connected) = try_connect(address, token, Instant::now() < deadline).await? {
            return Ok(connected);
        }
        sleep(POLL).await;
    }
}

/// None: there are too many, which may be `forgiven`.
async fn try_connect(address: SocketAddr, token: &str, forgiven: bool) -> Result<Option<(Sender, Receiver)>> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: bG9hZC1iZW5jaC1jbGllbg==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(1024);
    let head = loop {
        ensure!(stream.read_buf(&mut buffer).await? > 0, "closed during the handshake");
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    if forgiven && buffer.starts_with(b"HTTP/1.1 429") {
        return Ok(None);
    }
    if !buffer.starts_with(b"HTTP/1.1 101") {
        bail!("no upgrade: {}", String::from_utf8_lossy(&buffer));
    }
    buffer.drain(..head);
    let (read, write) = stream.into_split();
    Ok(Some((Sender { write: Arc::new(Mutex::new(write)) }, Receiver { read, buffer })))
}

// === impl Sender ===

impl Sender {
    /// Sends a text frame.
    pub async fn text(&self, text: &str) -> Result<()> {
        self.frame(TEXT, text.as_bytes()).await
    }

    /// Answers a ping.
    pub async fn pong(&self, bytes: &[u8]) -> Result<()> {
        self.frame(PONG, bytes).await
    }

    async fn frame(&self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frame.push(FINAL | opcode);
        match payload.len() {
            short @ 0..=125 => frame.push(MASKED | short as u8),
            long => {
                let length = u16::try_from(long).context("longer than the server takes")?;
                frame.push(MASKED | LENGTH_16);
                frame.extend_from_slice(&length.to_be_bytes());
            }
        }
        // The mask of zeros is a mask too; the server unmasks all the same.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.write.lock().await.write_all(&frame).await.context("cannot send a frame")
    }
}

// === impl Receiver ===

impl Receiver {
    /// Waits for bytes, then hands every whole frame to `take`, in order.
    pub async fn frames(&mut self, mut take: impl FnMut(Frame<'_>) -> Result<()>) -> Result<()> {
        let mut start = 0;
        loop {
            while let Some((frame, length)) = parse(&self.buffer[start..])? {
                take(frame)?;
                start += length;
            }
            if start > 0 {
                self.buffer.drain(..start);
                return Ok(());
            }
            ensure!(self.read.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        }
    }
}

/// The first frame and its length, once it is whole.
fn parse(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    ensure!(second & MASKED == 0, "a server does not mask");
    ensure!(first & 0xf0 == FINAL, "neither fragments nor extensions were agreed on");
    let (head, length) = match second {
        LENGTH_16 => match bytes.get(2..4) {
            Some(length) => (4, usize::from(u16::from_be_bytes([length[0], length[1]]))),
            None => return Ok(None),
        },
        LENGTH_64 => bail!("a frame of more than 64 KiB"),
        short => (2, usize::from(short)),
    };
    let Some(payload) = bytes.get(head..head + length) else { return Ok(None) };
    let frame = match first & 0x0f {
        TEXT => Frame::Text(payload),
        PING => Frame::Ping(payload),
        CLOSE => Frame::Close(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
        other => bail!("a frame of kind {other}"),
    };
    Ok(Some((frame, head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_and_waited_for() {
        let mut wire = vec![0x81, 2, b'h', b'i', 0x89, 1, b'p', 0x88, 2];
        wire.extend_from_slice(&4401_u16.to_be_bytes());
        let (frame, first) = parse(&wire).expect("well formed").expect("whole");
        assert_eq!((frame, first), (Frame::Text(b"hi"), 4));
        let (frame, second) = parse(&wire[first..]).expect("well formed").expect("whole");
        assert_eq!((frame, second), (Frame::Ping(b"p"), 3));
        let (frame, _) = parse(&wire[first + second..]).expect("well formed").expect("whole");
        assert_eq!(frame, Frame::Close(4401));
        for cut in 0..first {
            assert_eq!(parse(&wire[..cut]).expect("no error"), None, "after {cut} bytes");
        }
    }

    #[test]
    fn a_longer_frame_has_a_longer_head() {
        let mut wire = vec![0x81, 126, 1, 0];
        wire.resize(4 + 256, b'x');
        assert_eq!(parse(&wire[..4 + 255]).expect("no error"), None);
        let (frame, length) = parse(&wire).expect("well formed").expect("whole");
        assert_eq!((frame, length), (Frame::Text(&[b'x'; 256]), 260));
    }

    #[test]
    fn what_was_not_agreed_on_is_an_error() {
        assert!(parse(&[0x01, 0]).is_err(), "a fragment");
        assert!(parse(&[0x81, 0x80, 0, 0, 0, 0]).is_err(), "masked");
        assert!(parse(&[0xc1, 0]).is_err(), "compressed");
    }
}
