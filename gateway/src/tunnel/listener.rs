//! The socket listener of one instance of calendar-service: asked twice a
//! second whether it takes sockets.

use std::{io, time::Duration};

use chassis::tls::Way;
use futures::{FutureExt as _, future::BoxFuture};
use http::uri::Authority;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::upstream::pool::{Health, Place};

/// From one question to the next.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// For the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A socket listener.
#[derive(Debug)]
pub(crate) struct SocketListener {
    authority: Authority,
    way: Way,
}

// === impl SocketListener ===

impl SocketListener {
    async fn health(&self) -> Health {
        match timeout(ANSWER_WITHIN, self.ask()).await {
            Ok(Ok(503)) => Health::NotServing,
            Ok(Ok(_)) => Health::Serving,
            Ok(Err(_)) | Err(_) => Health::Unreachable,
        }
    }

    /// The status of `/readyz`, over a connection of its own: those of clients
    /// would be too.
    async fn ask(&self) -> io::Result<u16> {
        let port = self.authority.port_u16().unwrap_or(80);
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        let mut stream = self.way.through(TcpStream::connect((host, port)).await?).await?;
        let question =
            format!("GET /readyz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.authority);
        stream.write_all(question.as_bytes()).await?;
        stream.flush().await?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await?;
        let status = line.strip_prefix(b"HTTP/1.1 ").and_then(|code| std::str::from_utf8(code).ok());
        status.and_then(|code| code.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl Place for SocketListener {
    fn at(authority: &Authority, way: &Way) -> Self {
        Self { authority: authority.clone(), way: way.clone() }
    }

    fn watch<'a>(&'a self, report: &'a (dyn Fn(Health) + Send + Sync)) -> BoxFuture<'a, ()> {
        async move {
            loop {
                report(self.health().await);
                sleep(ASK_EVERY).await;
            }
        }
        .boxed()
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        async move { self.health().await != Health::Unreachable }.boxed()
    }
}
