//! The secrets that sign an account's webhooks, without `Debug` output.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand::RngCore as _;

/// The prefix of Standard Webhooks.
const PREFIX: &str = "whsec_";

/// 32 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// What signs now: the secret, and the one before for a day after a rotation.
#[derive(Clone, Debug)]
pub struct SigningSecrets {
    /// The secret.
    pub current: Secret,
    /// The one before, while it still signs.
    pub previous: Option<Secret>,
}

// === impl Secret ===

impl Secret {
    /// A fresh one.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// From its bytes, 32 of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes: the key of the signature.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// `whsec_` and base64, for its owner and nobody else.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_only_when_asked() {
        let secret = Secret::random();
        assert!(secret.to_text().starts_with("whsec_") && secret.to_text().len() == 50);
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(Secret::from_bytes(secret.expose()), Some(secret.clone()));
        assert_ne!(Secret::random(), secret);
        assert!(Secret::from_bytes(b"short").is_none());
    }
}
