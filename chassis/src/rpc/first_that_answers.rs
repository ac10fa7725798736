//! Connects to one of several instances: gRPC's `pick_first`.
//!
//! A service calls another one seldom, and in the background: one connection is
//! enough, and the next instance when it breaks. What people wait for goes
//! through the gateway, which balances call by call.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rand::seq::SliceRandom as _;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tonic::transport::Uri;
use tower::Service;

use super::targets::Targets;
use crate::tls::{Stream, Way};

/// An instance that is cut off must leave time for the next one.
const EACH: Duration = Duration::from_millis(300);

/// A connector for one of the instances behind some targets.
#[derive(Clone, Debug)]
pub(super) struct FirstThatAnswers {
    targets: Targets,
    way: Way,
}

// === impl FirstThatAnswers ===

impl FirstThatAnswers {
    pub(super) const fn new(targets: Targets, way: Way) -> Self {
        Self { targets, way }
    }
}

impl Service<Uri> for FirstThatAnswers {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { targets, way } = self.clone();
        Box::pin(async move { connect(&targets, &way).await.map(TokioIo::new) })
    }
}

/// The first that answers, in any order, so that callers spread.
async fn connect(targets: &Targets, way: &Way) -> io::Result<Stream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the service has no addresses");
    let mut addresses = Vec::new();
    for target in targets.iter() {
        match lookup_host((target.host(), target.port())).await {
            Ok(found) => addresses.extend(found),
            Err(error) => last = error,
        }
    }
    addresses.shuffle(&mut rand::rng());
    for address in addresses {
        // The handshake too: a process that was stopped still accepts.
        let connecting = timeout(EACH, async {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            way.through(tcp).await
        });
        match connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                tracing::debug!(%address, ?way, %error, "an instance does not answer, or is not who it should be");
                last = error;
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::SocketAddr};

    use tokio::net::TcpListener;

    use super::*;

    async fn peer(targets: &Targets) -> io::Result<SocketAddr> {
        match connect(targets, &Way::plain()).await? {
            Stream::Plain(tcp) => tcp.peer_addr(),
            Stream::Tls(_) => unreachable!("a plain way"),
        }
    }

    async fn listener() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    #[tokio::test]
    async fn one_that_is_gone_is_passed_over() {
        let (gone, first) = listener().await;
        let (_here, second) = listener().await;
        drop(gone);
        let targets: Targets = format!("{first},{second}").parse().unwrap();
        for _ in 0..20 {
            let peer = peer(&targets).await.unwrap();
            assert_eq!(format!("http://{peer}"), second);
        }
        let only: Targets = first.parse().unwrap();
        assert_eq!(peer(&only).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn callers_spread() {
        let (_one, first) = listener().await;
        let (_two, second) = listener().await;
        let targets: Targets = format!("{first},{second}").parse().unwrap();
        let mut met = HashSet::new();
        // Missing one of two 64 times in a row does not happen.
        for _ in 0..64 {
            met.insert(peer(&targets).await.unwrap());
        }
        assert_eq!(met.len(), 2);
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_hides_no_other_one() {
        let (_here, url) = listener().await;
        // RFC 6761: this name never has an address.
        let targets: Targets = format!("dns:///service.invalid:1,{url}").parse().unwrap();
        peer(&targets).await.unwrap();
    }
}
