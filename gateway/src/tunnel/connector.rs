//! Connects to socket listeners.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use chassis::tls::{Stream, Way};
use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tower::Service;

/// For TCP; TLS over it has a deadline of its own.
const CONNECT: Duration = Duration::from_secs(1);

/// TCP as hyper connects it, and what is spoken on the way.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    way: Way,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(way: Way) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        Self { tcp, way }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (connected, way) = (self.tcp.call(to), self.way.clone());
        Box::pin(async move {
            let tcp = connected.await.map_err(io::Error::other)?.into_inner();
            way.through(tcp).await.map(TokioIo::new)
        })
    }
}
