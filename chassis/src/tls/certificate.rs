//! A certificate with its key, taken from its files again when they change.

use std::{
    fmt,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs::default_provider,
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{task::spawn_blocking, time::sleep};

use super::{
    file::{File, InvalidTls},
    validity::not_after,
};
use crate::{
    clock::{Clock as _, SystemClock},
    lifecycle::Lifecycle,
};

/// From one look at the files to the next. Their content, not their times: a
/// link that is turned elsewhere, as Kubernetes does it, is a change too.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What this process shows of itself.
pub struct Certificate {
    chain: File,
    key: File,
    current: RwLock<Arc<CertifiedKey>>,
}

// === impl Certificate ===

impl Certificate {
    /// Reads a chain (the own certificate first) and its key, both PEM, each
    /// from the file that its variable names.
    pub fn open(chain: (&'static str, &Path), key: (&'static str, &Path)) -> Result<Arc<Self>, InvalidTls> {
        let (chain, key) = (File::new(chain.0, chain.1), File::new(key.0, key.1));
        let current = RwLock::new(Arc::new(pair(chain.certificates()?, &key)?));
        Ok(Arc::new(Self { chain, key, current }))
    }

    /// Keeps it as its files are, on the lifecycle. `task` names the loop,
    /// `service` and `of` are labels of its expiry.
    pub fn keep_fresh(
        self: &Arc<Self>,
        task: &'static str,
        service: &'static str,
        of: &'static str,
        lifecycle: &Lifecycle,
    ) {
        let (this, until) = (Arc::clone(self), lifecycle.clone());
        lifecycle.supervise(task, move || {
            let (this, until) = (Arc::clone(&this), until.clone());
            async move { this.watch(service, of, &until).await }
        });
    }

    /// Takes what is in the files if it is another certificate; what cannot be
    /// used changes nothing.
    fn renew(&self) -> Result<bool, InvalidTls> {
        let chain = self.chain.certificates()?;
        if chain == self.now().cert {
            return Ok(false);
        }
        if chain.first().and_then(not_after).is_some_and(|end| end <= SystemClock.now().as_second()) {
            return Err(self.chain.refuse("has expired"));
        }
        let renewed = Arc::new(pair(chain, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(true)
    }

    async fn watch(self: Arc<Self>, service: &'static str, of: &'static str, lifecycle: &Lifecycle) {
        let mut problem = None;
        while !lifecycle.is_draining() {
            if let Some(end) = self.now().cert.first().and_then(not_after) {
                metrics::gauge!("tls_certificate_not_after_seconds", "service" => service, "of" => of)
                    .set(end as f64);
            }
            tokio::select! { () = sleep(LOOK_EVERY) => {}, () = lifecycle.draining() => return }
            let this = Arc::clone(&self);
            let Ok(looked) = spawn_blocking(move || this.renew()).await else { return };
            let found = match looked {
                Ok(true) => {
                    tracing::info!(of, "a new certificate is in use");
                    None
                }
                Ok(false) => None,
                Err(error) => Some(error.to_string()),
            };
            // Once, not at every look; and not at all while somebody is just writing the second file.
            if found != problem
                && let Some(error) = &found
            {
                tracing::warn!(of, %error, "a new certificate cannot be used, the old one stays");
                metrics::counter!("tls_certificates_refused_total", "service" => service, "of" => of)
                    .increment(1);
            }
            problem = found;
        }
    }

    fn now(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A chain and its key, which must belong together.
fn pair(chain: Vec<CertificateDer<'static>>, key: &File) -> Result<CertifiedKey, InvalidTls> {
    let certified = CertifiedKey::from_der(chain, key.key()?, &default_provider());
    certified.map_err(|error| key.refuse(format_args!("does not fit the certificate: {error}")))
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

impl ResolvesClientCert for Certificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
