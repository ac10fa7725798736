//! Ids that are made of what they are about: found out again, they are the same.

use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// The id of what these parts name together, in this order; 122 bits of a SHA-256.
pub fn derived(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that no two lists of parts read the same.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_are_the_same_id_and_others_are_another() {
        assert_eq!(derived(&[b"a", b"b"]), derived(&[b"a", b"b"]));
        for other in [&[&b"ab"[..]][..], &[b"ab", b""], &[b"", b"ab"], &[b"b", b"a"], &[]] {
            assert_ne!(derived(&[b"a", b"b"]), derived(other));
        }
    }
}
