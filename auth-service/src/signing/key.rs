//! One signing key.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::seal::SealingKey;
use crate::store::StoredKey;

/// A key pair that was just made.
pub(crate) struct FreshKey {
    /// RFC 7638 thumbprint.
    pub(crate) kid: String,
    /// 32 bytes.
    pub(crate) public_key: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
}

/// A key of the ring.
#[derive(Clone)]
pub(crate) struct RingKey {
    /// RFC 7638 thumbprint.
    pub(crate) kid: String,
    /// From when on it signs.
    pub(crate) signs_from: Timestamp,
    /// `None` when the private half cannot be opened: it verifies only.
    pub(crate) private: Option<EncodingKey>,
    public_key: Vec<u8>,
}

// === impl FreshKey ===

impl FreshKey {
    /// Makes a key pair.
    pub(crate) fn generate() -> Self {
        // Generation fails only where the operating system has no random numbers.
        let pair = Ed25519KeyPair::generate().unwrap_or_else(|_| unreachable!("no entropy"));
        let private = pair.to_pkcs8v1().unwrap_or_else(|_| unreachable!("a fresh key has an encoding"));
        let public_key = pair.public_key().as_ref().to_vec();
        Self {
            kid: thumbprint(&public_key),
            public_key,
            private_key: Zeroizing::new(private.as_ref().to_vec()),
        }
    }

    /// The private half, sealed.
    pub(crate) fn sealed(&self, key: &SealingKey) -> Vec<u8> {
        key.seal(&self.kid, &self.private_key)
    }
}

// === impl RingKey ===

impl RingKey {
    /// Opens a key of the table as far as this key file can.
    pub(crate) fn open(stored: StoredKey, key: &SealingKey) -> Self {
        let private = key.open(&stored.kid, &stored.sealed_private_key);
        Self {
            private: private.ok().map(|der| EncodingKey::from_ed_der(&der)),
            kid: stored.kid,
            signs_from: stored.signs_from,
            public_key: stored.public_key,
        }
    }

    /// RFC 8037 key.
    pub(crate) fn jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": self.kid, "x": URL_SAFE_NO_PAD.encode(&self.public_key),
        })
    }
}

/// RFC 7638: the hash of the key's required members, in the order of their names.
fn thumbprint(public_key: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8037, appendix A.3.
    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        let public_key = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let kid = thumbprint(&public_key.expect("base64"));
        assert_eq!(kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn two_keys_differ() {
        assert_ne!(FreshKey::generate().kid, FreshKey::generate().kid);
    }
}
