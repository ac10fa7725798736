//! From an origin to a connection with an address that was checked.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Failure, Guard, Resolve, target::Origin};

/// One address; the next one is tried then.
const CONNECT: Duration = Duration::from_secs(3);
/// The head of an answer.
const HEAD_BYTES: usize = 64 * 1024;

pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Makes connections; nothing else in the service connects to where people say.
pub(super) struct Connector {
    pub(super) guard: Guard,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) tls: Arc<ClientConfig>,
}

// === impl Connector ===

impl Connector {
    /// Resolves once, checks every address, connects to the first that answers.
    pub(super) async fn connect(&self, origin: &Origin) -> Result<Sender, Failure> {
        let addresses = match origin.address() {
            Some(address) => vec![address],
            None => self.resolver.resolve(&origin.host).await.map_err(|_| Failure::NoSuchName)?,
        };
        // One bad address among good ones is a trick as well.
        if !addresses.iter().all(|address| self.guard.allows(*address)) {
            metrics::counter!("webhook_refused_total", "service" => "notification").increment(1);
            return Err(Failure::Refused);
        }
        let mut failure = Failure::NoSuchName;
        for address in addresses {
            match dial(SocketAddr::new(address, origin.port)).await {
                Ok(stream) => return self.handshake(origin, stream).await,
                Err(error) => failure = Failure::Connect(error.kind()),
            }
        }
        Err(failure)
    }

    async fn handshake(&self, origin: &Origin, stream: TcpStream) -> Result<Sender, Failure> {
        if !origin.tls {
            return speak(stream).await;
        }
        let name = ServerName::try_from(origin.host.clone()).map_err(|_| Failure::Tls)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(|error| {
            tracing::debug!(host = origin.host, %error, "no TLS with a webhook host");
            Failure::Tls
        })?;
        speak(stream).await
    }
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, TcpStream::connect(address)).await.map_err(io::Error::other)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// HTTP/1.1; the connection lives in a task of its own until its sender is dropped.
async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Failure> {
    let (sender, connection) = Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Failure::Broken)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a webhook connection ended");
        }
    });
    Ok(sender)
}
