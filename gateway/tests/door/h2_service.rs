//! A service that speaks just enough HTTP/2 to misbehave exactly.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};

/// What it does to each connection.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Takes a request and drops the connection.
    HangsUp,
    /// Answers so many requests, then goes away, in order.
    GoesAwayAfter(u32),
    /// Answers its headers and half a message, and nothing more.
    StopsHalfway,
}

pub(crate) struct H2Service {
    pub(crate) at: SocketAddr,
    /// Requests taken, over all connections.
    pub(crate) taken: Arc<AtomicU32>,
}

impl H2Service {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let taken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, Arc::clone(&count)));
            }
        });
        Self { at, taken }
    }
}

async fn serve(stream: TcpStream, manner: Manner, taken: Arc<AtomicU32>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut here = 0;
    let mut kept = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if request.uri().path().starts_with("/grpc.health.") {
            let head = Response::builder().header("grpc-status", "12").body(()).expect("a head");
            let _ = respond.send_response(head, true);
            continue;
        }
        taken.fetch_add(1, Ordering::SeqCst);
        here += 1;
        if matches!(manner, Manner::HangsUp) {
            return;
        }
        let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
        let Ok(mut sending) = respond.send_response(head, false) else { return };
        if matches!(manner, Manner::StopsHalfway) {
            let _ = sending.send_data(Bytes::from_static(&[0, 0]), false);
            kept.push(sending);
            continue;
        }
        let _ = sending.send_data(Bytes::from_static(&[0; 5]), false);
        let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
        let _ = sending.send_trailers(status);
        if matches!(manner, Manner::GoesAwayAfter(most) if here == most) {
            connection.graceful_shutdown();
        }
    }
}
