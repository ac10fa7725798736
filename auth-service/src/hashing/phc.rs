//! Password hashes as PHC strings: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;

use crate::model::Password;

/// Bytes of a salt that we make.
pub(super) const SALT: usize = 16;
/// Bytes of a hash that we make.
const HASH: usize = 32;
/// KiB, passes and lanes of a hash that we make.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// KiB that a stored string may ask for: a damaged row must not take the process down.
const MAX_MEMORY: u32 = 256 * 1024;

/// A hash with all that is needed to compute it again.
pub(super) struct StoredHash {
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// The text is not a hash of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored password hash is not readable")]
pub(super) struct Unreadable;

// === impl StoredHash ===

impl StoredHash {
    /// Hashes a password at the current cost.
    pub(super) fn compute(password: &Password, salt: &[u8; SALT], memory: &mut Vec<Block>) -> Self {
        let mut stored = Self::unmatched(salt);
        stored.hash = stored.digest(password, memory);
        stored
    }

    /// A hash of the current cost that no password has.
    pub(super) fn unmatched(salt: &[u8; SALT]) -> Self {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None)
            .unwrap_or_else(|_| unreachable!("the cost is within the algorithm's bounds"));
        Self { params, salt: salt.to_vec(), hash: vec![0; HASH] }
    }

    /// Reads a PHC string; any cost within bounds, so that the cost can grow.
    pub(super) fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut parts = text.strip_prefix("$argon2id$v=19$").ok_or(Unreadable)?.split('$');
        let mut next = || parts.next().ok_or(Unreadable);
        let (cost, salt, hash) = (next()?, next()?, next()?);
        let mut costs = cost.split(',').zip(["m=", "t=", "p="]);
        let mut number = || {
            let (part, name) = costs.next()?;
            part.strip_prefix(name)?.parse::<u32>().ok()
        };
        let (Some(memory), Some(passes), Some(lanes)) = (number(), number(), number()) else {
            return Err(Unreadable);
        };
        let params = Params::new(memory, passes, lanes, None).map_err(|_| Unreadable)?;
        let bytes = |part: &str| STANDARD_NO_PAD.decode(part).map_err(|_| Unreadable);
        let (salt, hash) = (bytes(salt)?, bytes(hash)?);
        if memory > MAX_MEMORY || salt.len() < 8 || hash.len() < 16 {
            return Err(Unreadable);
        }
        Ok(Self { params, salt, hash })
    }

    /// Whether the password has this hash; compared in constant time.
    pub(super) fn matches(&self, password: &Password, memory: &mut Vec<Block>) -> bool {
        self.digest(password, memory).ct_eq(&self.hash).into()
    }

    fn digest(&self, password: &Password, memory: &mut Vec<Block>) -> Vec<u8> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let blocks = self.params.block_count();
        if memory.len() < blocks {
            memory.resize(blocks, Block::new());
        }
        let mut hash = vec![0; self.hash.len()];
        argon2
            .hash_password_into_with_memory(password.expose(), &self.salt, &mut hash, &mut memory[..blocks])
            .unwrap_or_else(|_| unreachable!("lengths and cost were checked"));
        hash
    }
}

impl fmt::Display for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.hash));
        write!(f, "$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")
    }
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordVerifier as _, password_hash::phc::PasswordHash};

    use super::*;

    /// An independent reader of PHC strings accepts what we write.
    #[test]
    fn the_string_is_what_other_programs_read() {
        let stored = StoredHash::compute(&Password::claimed("correct horse"), &[9; SALT], &mut Vec::new());
        let text = stored.to_string();
        let read = PasswordHash::new(&text).expect("a PHC string");
        assert!(Argon2::default().verify_password(b"correct horse", &read).is_ok());
        assert!(Argon2::default().verify_password(b"wrong horse", &read).is_err());
    }

    #[test]
    fn a_string_of_another_cost_is_checked_at_that_cost() {
        let text = "$argon2id$v=19$m=64,t=3,p=1$c29tZXNhbHRzb21l$";
        let mut memory = Vec::new();
        let zeroes = STANDARD_NO_PAD.encode([0; 32]);
        let mut stored = StoredHash::parse(&format!("{text}{zeroes}")).expect("readable");
        assert!(!stored.matches(&Password::claimed("x"), &mut memory));
        stored.hash = stored.digest(&Password::claimed("x"), &mut memory);
        let again = StoredHash::parse(&stored.to_string()).expect("readable");
        assert!(again.matches(&Password::claimed("x"), &mut memory));
        assert_eq!(memory.len(), 64);
    }

    #[test]
    fn what_is_not_a_hash_of_ours_is_unreadable() {
        let hash = STANDARD_NO_PAD.encode([0; 32]);
        let bad = [
            String::new(),
            "plain".to_owned(),
            format!("$argon2i$v=19$m=64,t=3,p=1$c29tZXNhbHRzb21l${hash}"),
            format!("$argon2id$v=19$m=64,t=3$c29tZXNhbHRzb21l${hash}"),
            format!("$argon2id$v=19$m=4000000,t=3,p=1$c29tZXNhbHRzb21l${hash}"),
            format!("$argon2id$v=19$m=64,t=3,p=1$c2E${hash}"),
            "$argon2id$v=19$m=64,t=3,p=1$c29tZXNhbHRzb21l$".to_owned(),
        ];
        for text in &bad {
            assert_eq!(StoredHash::parse(text).err(), Some(Unreadable), "{text}");
        }
    }
}
