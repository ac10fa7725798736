//! Files that an operator names, and what is wrong with them.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct InvalidTls {
    /// The variable of the setting.
    pub variable: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// A file, by the variable that names it.
#[derive(Clone, Debug)]
pub(super) struct File {
    variable: &'static str,
    path: PathBuf,
}

// === impl InvalidTls ===

impl InvalidTls {
    pub(super) fn new(variable: &'static str, reason: impl fmt::Display) -> Self {
        Self { variable, reason: reason.to_string() }
    }
}

// === impl File ===

impl File {
    pub(super) fn new(variable: &'static str, path: &Path) -> Self {
        Self { variable, path: path.to_owned() }
    }

    /// The certificates in it: one at least.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
        let text = self.read()?;
        let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|error| self.refuse(error))?;
        if found.is_empty() { Err(self.refuse("holds no certificate in PEM")) } else { Ok(found) }
    }

    /// The private key in it.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, InvalidTls> {
        PrivateKeyDer::from_pem_slice(&self.read()?).map_err(|error| self.refuse(error))
    }

    pub(super) fn refuse(&self, reason: impl fmt::Display) -> InvalidTls {
        InvalidTls::new(self.variable, format_args!("{}: {reason}", self.path.display()))
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, InvalidTls> {
        fs::read(&self.path).map(Zeroizing::new).map_err(|error| self.refuse(error))
    }
}
