//! A connection, with TLS or without.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsStream, client, server};

/// A connection. Without TLS it costs what its socket costs.
#[derive(Debug)]
pub enum Stream {
    /// The bare socket.
    Plain(TcpStream),
    /// TLS over one; boxed, because its state is a kilobyte.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the peer's certificate names it, which was checked in the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerNames(Arc<[String]>);

// === impl PeerNames ===

impl PeerNames {
    #[cfg(test)]
    pub(crate) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Whether it has one of these names.
    pub fn any_of(&self, allowed: &[&str]) -> bool {
        self.0.iter().any(|name| allowed.contains(&name.as_str()))
    }
}

// === impl Stream ===

impl Stream {
    /// The peer's names; none without TLS, or where the peer showed nothing.
    pub fn peer_names(&self) -> Option<PeerNames> {
        let Self::Tls(tls) = self else { return None };
        let certificate = tls.get_ref().1.peer_certificates()?.first()?;
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        Some(PeerNames(certificate.valid_dns_names().map(str::to_owned).collect()))
    }
}

impl From<client::TlsStream<TcpStream>> for Stream {
    fn from(tls: client::TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls.into()))
    }
}

impl From<server::TlsStream<TcpStream>> for Stream {
    fn from(tls: server::TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// For hyper's pool of connections.
impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// For gRPC servers: requests carry the names of who sent them, where there are some.
impl tonic::transport::server::Connected for Stream {
    type ConnectInfo = Option<PeerNames>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.peer_names()
    }
}
