//! A certificate authority of a test's own, and a webhook receiver that it vouches for.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyUsagePurpose, PKCS_ED25519, PublicKeyData,
    SignatureAlgorithm, SigningKey,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

/// Somebody who certifies servers, and is in no list of public authorities.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, Key>,
    folder: TempDir,
}

/// An HTTPS server at 127.0.0.1 that answers 200 and remembers every request.
pub(crate) struct HttpsReceiver {
    address: SocketAddr,
    log: Log,
    serving: JoinHandle<()>,
}

/// The headers of each request.
type Log = Arc<Mutex<Vec<HeaderMap>>>;

/// Signs with the one provider of cryptography that there is.
struct Key {
    pair: Ed25519KeyPair,
    /// PKCS #8, as TLS wants it.
    der: Vec<u8>,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.serial_number = Some(1.into());
        let issuer = CertifiedIssuer::self_signed(params, Key::new()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        let body = STANDARD.encode(authority.issuer.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        std::fs::write(authority.file(), pem).unwrap();
        authority
    }

    /// Its certificate, as an operator puts it into `WEBHOOK_CA_FILE`.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What a server at 127.0.0.1 shows.
    fn server(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.serial_number = Some(2.into());
        let key = Key::new();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.into(), PrivatePkcs8KeyDer::from(key.der).into())
    }
}

// === impl HttpsReceiver ===

impl HttpsReceiver {
    /// Listens with a certificate of this authority.
    pub(crate) async fn start(authority: &Authority) -> Self {
        let (certificate, key) = authority.server();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Log::default());
        let serving = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&log)));
        Self { address, log, serving }
    }

    /// A timer's address here.
    pub(crate) fn url(&self) -> String {
        format!("https://{}/hook", self.address)
    }

    /// The headers of what came so far.
    pub(crate) fn log(&self) -> Vec<HeaderMap> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HttpsReceiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, log: Log) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, log) = (tls.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            // A client that does not trust us hangs up here.
            let Ok(stream) = tls.accept(stream).await else { return };
            let answer = service_fn(move |request: Request<Incoming>| {
                let log = Arc::clone(&log);
                async move {
                    let (head, body) = request.into_parts();
                    body.collect().await?;
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(head.headers);
                    Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

// === impl Key ===

impl Key {
    fn new() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let der = pair.to_pkcs8().unwrap().as_ref().to_vec();
        Self { pair, der }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}
