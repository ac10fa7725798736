//! Certificates as `make certs` makes them, and TLS as others speak it.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::folder;

/// For a connection and its handshake.
const CONNECT: Duration = Duration::from_secs(5);

/// A CA, what it has signed, and the keys; gone when dropped.
#[derive(Debug)]
pub struct Certificates(TempDir);

/// What a TLS client wants and shows.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The version that it speaks.
    pub version: &'static SupportedProtocolVersion,
    /// What it offers to speak over TLS.
    pub alpn: &'static [&'static [u8]],
    /// The certificate that it shows.
    pub shows: Option<(&'a Certificates, &'a str)>,
}

// === impl Certificates ===

impl Certificates {
    /// A CA of its own, and everything below it.
    pub fn made() -> Result<Self> {
        let this = Self(tempfile::tempdir()?);
        this.make_missing()?;
        Ok(this)
    }

    /// A file, such as `auth.crt`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Another certificate for this name, in the place of the old one but for
    /// its key, which stays.
    pub fn renew(&self, name: &str) -> Result<()> {
        fs::remove_file(self.path(&format!("{name}.crt")))?;
        self.make_missing()
    }

    /// The certificate of this name.
    pub fn certificate(&self, name: &str) -> Result<CertificateDer<'static>> {
        Ok(CertificateDer::from_pem_file(self.path(&format!("{name}.crt")))?)
    }

    /// A gRPC channel to a service, by tonic's own TLS: who we are, if anybody.
    pub fn channel(
        &self,
        address: SocketAddr,
        service: &str,
        shows: Option<(&Self, &str)>,
    ) -> Result<Channel> {
        let ca = Certificate::from_pem(fs::read(self.path("ca.crt"))?);
        let mut tls = ClientTlsConfig::new().ca_certificate(ca).domain_name(service);
        if let Some((of, name)) = shows {
            let read = |end: &str| fs::read(of.path(&format!("{name}.{end}")));
            tls = tls.identity(Identity::from_pem(read("crt")?, read("key")?));
        }
        let endpoint = Endpoint::try_from(format!("https://{address}"))?;
        Ok(endpoint.connect_timeout(CONNECT).timeout(CONNECT).tls_config(tls)?.connect_lazy())
    }

    /// A TLS connection to `name`, whose certificate this CA must have signed.
    pub async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
        client: Client<'_>,
    ) -> Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate("ca")?)?;
        let config =
            ClientConfig::builder_with_protocol_versions(&[client.version]).with_root_certificates(roots);
        let mut config = match client.shows {
            Some((of, shown)) => {
                let key = PrivateKeyDer::from_pem_file(of.path(&format!("{shown}.key")))?;
                config.with_client_auth_cert(vec![of.certificate(shown)?], key)?
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = client.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned())?;
        let tcp = TcpStream::connect(address).await?;
        let shaken = timeout(CONNECT, TlsConnector::from(Arc::new(config)).connect(name, tcp)).await;
        Ok(shaken.context("no handshake in time")??)
    }

    fn make_missing(&self) -> Result<()> {
        let script = folder::repository().join("scripts/cluster/certs.sh");
        let made = Command::new(script)
            .arg(self.0.path())
            .output()
            .context("cannot run scripts/cluster/certs.sh")?;
        ensure!(made.status.success(), "certs.sh: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }
}
