//! A connection whose peer must say something.
//!
//! hyper's header timeout begins once it knows which HTTP is spoken, and it
//! learns that from the first bytes: a peer that sends none, or half of the
//! HTTP/2 preface, would be waited for without end.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// What an HTTP/2 connection opens with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that fails with `TimedOut` unless its peer shows in time which
/// HTTP it speaks. After that it costs nothing.
#[derive(Debug)]
pub(super) struct Prompt {
    stream: TcpStream,
    /// Present until the version is known.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    deadline: Pin<Box<Sleep>>,
    /// How much of the preface has come.
    matched: usize,
}

// === impl Prompt ===

impl Prompt {
    pub(super) fn new(stream: TcpStream, within: Duration) -> Self {
        let waiting = Waiting { deadline: Box::pin(sleep(within)), matched: 0 };
        Self { stream, waiting: Some(waiting) }
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(waiting) = &mut self.waiting else { return read };
        if read.is_pending() {
            ready!(waiting.deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let came = &buf.filled()[before..];
        let expected = &PREFACE[waiting.matched..];
        let is_preface_so_far = came.len() < expected.len() && !came.is_empty() && expected.starts_with(came);
        if is_preface_so_far {
            waiting.matched += came.len();
        } else {
            self.waiting = None;
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
