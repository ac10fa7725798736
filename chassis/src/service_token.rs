//! The secret that services show each other on internal gRPC methods.

use std::{io, path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tonic::{
    Request,
    metadata::{Ascii, MetadataMap, MetadataValue},
};

use crate::{
    fault::{Fault, Reason},
    rpc::Vouched,
    secrets,
};

/// The metadata key.
pub const METADATA_KEY: &str = "x-service-token";

/// Shown by the caller of an internal method, checked by the callee.
#[derive(Clone)]
pub struct ServiceToken {
    secret: Arc<SecretString>,
    value: MetadataValue<Ascii>,
}

// === impl ServiceToken ===

impl ServiceToken {
    /// A fresh random token, for one process that holds every service.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self::from_ascii(&URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_else(|_| unreachable!("base64 is ASCII"))
    }

    /// The token that an operator put into a file: 16 characters at least, ASCII.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        Self::from_ascii(secrets::read_secret(path)?.expose_secret())
    }

    fn from_ascii(text: &str) -> io::Result<Self> {
        let invalid =
            |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the service token {why}"));
        if text.len() < 16 {
            return Err(invalid("is shorter than 16 characters"));
        }
        let mut value: MetadataValue<Ascii> = text.parse().map_err(|_| invalid("is not ASCII"))?;
        value.set_sensitive(true);
        Ok(Self { secret: Arc::new(text.to_owned().into()), value })
    }

    /// Shows the token.
    pub fn attach(&self, metadata: &mut MetadataMap) {
        metadata.insert(METADATA_KEY, self.value.clone());
    }

    /// Whether this is the token, compared in constant time.
    pub fn is(&self, shown: &[u8]) -> bool {
        shown.ct_eq(self.secret.expose_secret().as_bytes()).into()
    }

    /// Wants the token, or a certificate that may call this method.
    pub fn admit<T>(&self, request: &Request<T>) -> Result<(), Fault> {
        if request.extensions().get::<Vouched>().is_some() { Ok(()) } else { self.check(request.metadata()) }
    }

    /// Wants the token, compared in constant time.
    pub fn check(&self, metadata: &MetadataMap) -> Result<(), Fault> {
        if self.is(metadata.get(METADATA_KEY).map_or(&[][..], |value| value.as_encoded_bytes())) {
            Ok(())
        } else {
            Err(Fault::new(Reason::Unauthenticated, "this method is for services"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_passes() {
        let token = ServiceToken::random();
        let mut metadata = MetadataMap::new();
        assert!(token.check(&metadata).is_err(), "no token");
        ServiceToken::random().attach(&mut metadata);
        assert!(token.check(&metadata).is_err(), "another token");
        token.attach(&mut metadata);
        assert!(token.check(&metadata).is_ok());
        assert!(!token.is(b""), "nothing at all");
    }
}
