//! Settings of TLS between services.

use std::path::PathBuf;

use super::{file::InvalidTls, wire::Wire};

const CA: &str = "SERVICE_TLS_CA_FILE";
const CERT: &str = "SERVICE_TLS_CERT_FILE";
const KEY: &str = "SERVICE_TLS_KEY_FILE";

/// What an operator sets: all three, or none for plain connections.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WireSettings {
    /// Whose signature the services' certificates have (PEM). With it, calls
    /// between services go over mutual TLS.
    #[arg(long, env = "SERVICE_TLS_CA_FILE")]
    pub service_tls_ca_file: Option<PathBuf>,
    /// The certificate of this service (PEM), which names it: `auth`, `calendar`,
    /// `notification`, `activity` or `gateway`.
    #[arg(long, env = "SERVICE_TLS_CERT_FILE")]
    pub service_tls_cert_file: Option<PathBuf>,
    /// The key of that (PEM).
    #[arg(long, env = "SERVICE_TLS_KEY_FILE")]
    pub service_tls_key_file: Option<PathBuf>,
}

// === impl WireSettings ===

impl WireSettings {
    /// What these settings mean.
    pub fn wire(&self) -> Result<Wire, InvalidTls> {
        match (&self.service_tls_ca_file, &self.service_tls_cert_file, &self.service_tls_key_file) {
            (None, None, None) => Ok(Wire::plain()),
            (Some(ca), Some(cert), Some(key)) => Wire::mutual((CA, ca), (CERT, cert), (KEY, key)),
            (ca, cert, _) => {
                let missing = if ca.is_none() {
                    CA
                } else if cert.is_none() {
                    CERT
                } else {
                    KEY
                };
                Err(InvalidTls::new(
                    missing,
                    "is required where another of the three SERVICE_TLS files is given",
                ))
            }
        }
    }
}
