//! How services speak to each other.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::aws_lc_rs::default_provider,
    pki_types::ServerName,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    version::TLS13,
};

use super::{acceptor::Acceptor, certificate::Certificate, file::File, file::InvalidTls, way::Way};
use crate::lifecycle::Lifecycle;

/// Plain, or over mutual TLS. Clones share one certificate.
#[derive(Clone, Default)]
pub struct Wire(Option<Arc<Mutual>>);

struct Mutual {
    certificate: Arc<Certificate>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

// === impl Wire ===

impl Wire {
    /// Without TLS.
    pub const fn plain() -> Self {
        Self(None)
    }

    /// Mutual TLS: who has signed the others, what we show, and its key; each
    /// with the variable that names the file.
    pub fn mutual(
        ca: (&'static str, &Path),
        certificate: (&'static str, &Path),
        key: (&'static str, &Path),
    ) -> Result<Self, InvalidTls> {
        let ca = File::new(ca.0, ca.1);
        let certificate = Certificate::open(certificate, key)?;
        let mut roots = RootCertStore::empty();
        for root in ca.certificates()? {
            roots.add(root).map_err(|error| ca.refuse(error))?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(|error| ca.refuse(error))?;
        // Both ends are ours: no older version, and no resumption, so that every connection shows a certificate
        // that is good now.
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_protocol_versions(&[&TLS13]).map_err(|error| ca.refuse(error))?;
        let shown = Arc::<Certificate>::clone(&certificate);
        let mut server = server.with_client_cert_verifier(verifier).with_cert_resolver(shown);
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        // An operator's gRPC tools insist on it; our own calls name nothing.
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = ClientConfig::builder_with_provider(provider);
        let client = client.with_protocol_versions(&[&TLS13]).map_err(|error| ca.refuse(error))?;
        let shown = Arc::<Certificate>::clone(&certificate);
        let mut client = client.with_root_certificates(roots).with_client_cert_resolver(shown);
        client.resumption = Resumption::disabled();
        Ok(Self(Some(Arc::new(Mutual { certificate, client: Arc::new(client), server: Arc::new(server) }))))
    }

    /// Whether callers show certificates.
    pub const fn is_mutual(&self) -> bool {
        self.0.is_some()
    }

    /// The way to a service, whose certificate must name it, whatever its
    /// address is.
    pub fn to(&self, service: &'static str) -> Way {
        let Some(mutual) = &self.0 else { return Way::plain() };
        let Ok(name) = ServerName::try_from(service) else { unreachable!("a service has a name") };
        Way::over(Arc::clone(&mutual.client), name)
    }

    /// What a listener for other services does with a connection.
    pub fn acceptor(&self) -> Acceptor {
        self.0.as_ref().map_or_else(Acceptor::plain, |mutual| Acceptor::over(Arc::clone(&mutual.server)))
    }

    /// Takes new certificates from their files, on the lifecycle; `task` names
    /// the loop.
    pub fn keep_fresh(&self, task: &'static str, service: &'static str, lifecycle: &Lifecycle) {
        if let Some(mutual) = &self.0 {
            mutual.certificate.keep_fresh(task, service, "services", lifecycle);
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_mutual() { "Wire(mutual TLS)" } else { "Wire(plain)" })
    }
}
