//! The way to one service.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::stream::Stream;

/// For a handshake, where the caller has no shorter patience.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// Makes connections to one service, plain or over TLS. Cheap to clone.
#[derive(Clone, Default)]
pub struct Way(Option<(TlsConnector, ServerName<'static>)>);

// === impl Way ===

impl Way {
    /// Without TLS.
    pub const fn plain() -> Self {
        Self(None)
    }

    pub(super) fn over(config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        Self(Some((TlsConnector::from(config), name)))
    }

    /// Makes of a TCP connection what is spoken on this way; an error when the
    /// other side is not the service that it should be.
    pub async fn through(&self, tcp: TcpStream) -> io::Result<Stream> {
        let Some((connector, name)) = &self.0 else { return Ok(Stream::Plain(tcp)) };
        // Boxed: a plain connection does not carry the room for a handshake.
        let handshake = Box::pin(connector.connect(name.clone(), tcp));
        let shaken = timeout(HANDSHAKE, handshake).await;
        Ok(shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.into())
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((_, name)) => write!(f, "Way(TLS to {})", name.to_str()),
            None => f.write_str("Way(plain)"),
        }
    }
}
