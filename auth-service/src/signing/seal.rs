//! Seals private keys with the key file: AES-256-GCM, bound to the key's id.

use std::{fmt, io, path::Path};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// Bytes of the key file.
const KEY_BYTES: usize = 32;

/// The operator's key, which never leaves the process.
pub struct SealingKey {
    key: RandomizedNonceKey,
}

/// What was sealed cannot be opened: another key file, another id, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key cannot be opened with this key file")]
pub(crate) struct Unopened;

// === impl SealingKey ===

impl SealingKey {
    /// Reads the key file; one is made (mode 0600) where there is none.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let bytes = Zeroizing::new(chassis::secrets::read_or_create_key::<KEY_BYTES>(path)?);
        Ok(Self::new(&bytes))
    }

    /// A key of these bytes.
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes);
        Self { key: key.unwrap_or_else(|_| unreachable!("the key has the length of AES-256")) }
    }

    /// Nonce, cipher text and tag of `plain`.
    pub(crate) fn seal(&self, kid: &str, plain: &[u8]) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(kid.as_bytes()), &mut sealed)
            .unwrap_or_else(|_| unreachable!("a private key is far below the cipher's bound"));
        [&nonce.as_ref()[..], &sealed].concat()
    }

    /// What was sealed for `kid`.
    pub(crate) fn open(&self, kid: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Unopened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = {
            let aad = Aad::from(kid.as_bytes());
            self.key.open_in_place(nonce, aad, &mut text).map_err(|_| Unopened)?.len()
        };
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_file_and_the_same_id_open_what_was_sealed() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal("kid", b"private");
        assert_eq!(key.open("kid", &sealed).expect("opens").as_slice(), b"private");
        assert!(!sealed.windows(7).any(|window| window == b"private"), "it is readable");
        assert_ne!(sealed, key.seal("kid", b"private"), "the nonce repeats");
        assert_eq!(key.open("other", &sealed), Err(Unopened));
        assert_eq!(SealingKey::new(&[8; 32]).open("kid", &sealed), Err(Unopened));
        let mut damaged = sealed.clone();
        damaged[20] ^= 1;
        assert_eq!(key.open("kid", &damaged), Err(Unopened));
        assert_eq!(key.open("kid", &sealed[..5]), Err(Unopened));
    }

    #[test]
    fn the_key_file_is_made_once() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("auth.key");
        let sealed = SealingKey::from_file(&path)?.seal("kid", b"private");
        assert!(SealingKey::from_file(&path)?.open("kid", &sealed).is_ok());
        Ok(())
    }
}
