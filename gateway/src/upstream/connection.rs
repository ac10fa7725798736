//! One HTTP/2 connection to a service.
//!
//! h2 itself, without a client on top: a call is two steps of its own task (send,
//! await) and one of the connection's, where tonic's channel wakes four tasks
//! and starts one. At 40 µs a request that is what a third of them went to.

use std::{io, time::Duration};

use bytes::Bytes;
use chassis::tls::{Stream, Way};
use h2::{
    Ping, PingPong,
    client::{Builder, Connection, SendRequest},
};
use http::uri::Authority;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// Name resolution, TCP, TLS and HTTP/2 settings.
const CONNECT: Duration = Duration::from_secs(1);
/// A peer is asked for a sign of life this often, idle or not.
const PING_EVERY: Duration = Duration::from_secs(5);
/// No sign of life in this time: the connection is dead, whatever TCP believes.
const PONG_WITHIN: Duration = Duration::from_secs(2);
/// What a service may send before it is read: a page of events, at once.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// Connects on this way, and drives the connection in a task of its own until it ends.
pub(super) async fn connect(to: &Authority, way: &Way) -> io::Result<SendRequest<Bytes>> {
    let port = to.port_u16().unwrap_or(80);
    let host = to.host().trim_start_matches('[').trim_end_matches(']');
    let (sender, mut connection) = timeout(CONNECT, async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let stream = way.through(stream).await?;
        let mut settings = Builder::new();
        settings
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            .enable_push(false);
        settings.handshake(stream).await.map_err(io::Error::other)
    })
    .await
    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let pings = connection.ping_pong();
    tokio::spawn(drive(connection, pings));
    Ok(sender)
}

/// Ends with the connection, or ends it when its peer shows no sign of life;
/// calls under way then break off.
async fn drive(connection: Connection<Stream, Bytes>, pings: Option<PingPong>) {
    let ended = tokio::select! {
        ended = connection => ended,
        () = silence(pings) => {
            tracing::warn!("a service shows no sign of life, dropping its connection");
            return;
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "the connection to a service ended");
    }
}

/// Returns when a ping is not answered.
async fn silence(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        sleep(PING_EVERY).await;
        let Ok(Ok(_pong)) = timeout(PONG_WITHIN, pings.ping(Ping::opaque())).await else { return };
    }
}
