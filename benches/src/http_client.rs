//! An HTTP/1.1 client that costs little: one kept connection, requests made
//! beforehand, only length-delimited answers.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longer than the gateway lets anybody wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Debug)]
pub struct HttpClient {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, in the client's buffer until the next call.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: &'a [u8],
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the head itself, with its empty line.
    length: usize,
    body: usize,
}

/// The bytes of a `GET` with a bearer token.
pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// The bytes of a `POST` of JSON; a bearer token only where there is one.
pub fn post(path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}content-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

// === impl HttpClient ===

impl HttpClient {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and waits for its whole answer, whatever the status.
    pub async fn call(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        let head = timeout(PATIENCE, self.exchange(request)).await.context("no answer in time")??;
        Ok(Answer { status: head.status, body: &self.buffer[head.length..] })
    }

    /// Leaves the answer in the buffer.
    async fn exchange(&mut self, request: &[u8]) -> Result<Head> {
        self.stream.write_all(request).await.context("cannot send a request")?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        let end = head.length + head.body;
        self.buffer.reserve(end.saturating_sub(self.buffer.len()));
        while self.buffer.len() < end {
            self.read().await?;
        }
        ensure!(self.buffer.len() == end, "an answer is longer than it says");
        Ok(head)
    }

    async fn read(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.context("cannot read an answer")?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }
}

// === impl Answer ===

impl<'a> Answer<'a> {
    /// The body of an answer with this status; else an error that shows what came.
    pub fn expect(self, status: u16) -> Result<&'a [u8]> {
        if self.status == status {
            return Ok(self.body);
        }
        bail!("{} instead of {status}: {}", self.status, String::from_utf8_lossy(self.body))
    }
}

/// The head, once it is there.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end]).context("the head is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status line")?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let mut lengths = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().context("an answer without content-length")?.1;
    Ok(Some(Head { status: status.parse()?, length: end + 4, body: length.trim().parse()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_counts_only_when_it_is_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx: y\r\n\r\nhello";
        for cut in 0..answer.len() - 5 {
            assert_eq!(parse_head(&answer[..cut]).expect("no error"), None, "after {cut} bytes");
        }
        let head = Head { status: 201, length: answer.len() - 5, body: 12 };
        assert_eq!(parse_head(answer).expect("well formed"), Some(head));
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "no length");
    }

    #[test]
    fn requests_are_whole() {
        let text = String::from_utf8(post("/a", Some("t"), "{}")).expect("text");
        assert!(text.starts_with("POST /a HTTP/1.1\r\n") && text.ends_with("content-length: 2\r\n\r\n{}"));
        assert!(text.contains("authorization: Bearer t\r\n"));
        assert!(!String::from_utf8(post("/a", None, "{}")).expect("text").contains("authorization"));
    }
}
