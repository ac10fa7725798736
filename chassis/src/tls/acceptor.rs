//! What a listener does with a connection before anything is spoken on it.

use std::{fmt, io, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{Ticketer, default_provider},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{certificate::Certificate, stream::Stream};

/// Takes connections plain, or over TLS. Cheap to clone.
#[derive(Clone, Default)]
pub struct Acceptor {
    tls: Option<TlsAcceptor>,
    /// Whose certificates are taken; empty: whoever is certified.
    only: &'static [&'static str],
}

// === impl Acceptor ===

impl Acceptor {
    /// Whether it speaks TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Without TLS.
    pub fn plain() -> Self {
        Self::default()
    }

    /// For everybody who speaks TLS 1.2 or 1.3, HTTP/2 or HTTP/1.1.
    pub fn public(certificate: Arc<Certificate>) -> Result<Self, rustls::Error> {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?;
        let mut config = config.with_no_client_auth().with_cert_resolver(certificate);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A client that comes again costs no signature. Tickets instead of a store: nothing is kept for strangers.
        config.ticketer = Ticketer::new()?;
        Ok(Self::over(Arc::new(config)))
    }

    pub(super) fn over(config: Arc<ServerConfig>) -> Self {
        Self { tls: Some(TlsAcceptor::from(config)), only: &[] }
    }

    /// The same for callers with one of these names alone, where callers show
    /// certificates.
    pub fn only(mut self, names: &'static [&'static str]) -> Self {
        self.only = names;
        self
    }

    /// Makes of a connection what is spoken here. The caller bounds it in time.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<Stream> {
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        // Boxed: a plain connection does not carry the room for a handshake.
        let stream = Stream::from(Box::pin(tls.accept(tcp)).await?);
        if self.only.is_empty() || stream.peer_names().is_some_and(|names| names.any_of(self.only)) {
            Ok(stream)
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "the certificate is that of another service"))
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("tls", &self.tls.is_some()).field("only", &self.only).finish()
    }
}
