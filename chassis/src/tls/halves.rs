//! Both directions of a connection at once, in one task.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, tcp},
};
use tokio_rustls::TlsStream;

use super::stream::Stream;

/// What comes.
#[derive(Debug)]
pub enum ReadHalf<'a> {
    /// Of a bare socket.
    Plain(tcp::ReadHalf<'a>),
    /// Of one with TLS.
    Tls(tokio::io::ReadHalf<&'a mut TlsStream<TcpStream>>),
}

/// What goes.
#[derive(Debug)]
pub enum WriteHalf<'a> {
    /// Of a bare socket.
    Plain(tcp::WriteHalf<'a>),
    /// Of one with TLS.
    Tls(tokio::io::WriteHalf<&'a mut TlsStream<TcpStream>>),
}

// === impl Stream ===

impl Stream {
    /// Both directions, for as long as they are used.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        match self {
            Self::Plain(tcp) => {
                let (read, write) = tcp.split();
                (ReadHalf::Plain(read), WriteHalf::Plain(write))
            }
            Self::Tls(tls) => {
                let (read, write) = tokio::io::split(&mut **tls);
                (ReadHalf::Tls(read), WriteHalf::Tls(write))
            }
        }
    }
}

// === impl ReadHalf ===

impl AsyncRead for ReadHalf<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(read) => Pin::new(read).poll_read(cx, buffer),
            Self::Tls(read) => match ready!(Pin::new(read).poll_read(cx, buffer)) {
                // A peer that hangs up without TLS' goodbye has ended as one without TLS has: what is carried
                // here has an end of its own.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                read => Poll::Ready(read),
            },
        }
    }
}

// === impl WriteHalf ===

impl WriteHalf<'_> {
    /// Whether what was written may still wait for a flush.
    pub const fn holds_back(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl AsyncWrite for WriteHalf<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_write(cx, bytes),
            Self::Tls(write) => Pin::new(write).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_flush(cx),
            Self::Tls(write) => Pin::new(write).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_shutdown(cx),
            Self::Tls(write) => Pin::new(write).poll_shutdown(cx),
        }
    }
}
