//! What a key stands for: one request of one client.

use std::io;

use aws_lc_rs::hmac;
use serde::Serialize;
use uuid::Uuid;

use super::IdempotencyKey;
use crate::fault::Fault;

/// Whose key it is: two clients with the same key do not meet.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// An account.
    Account(Uuid),
    /// Somebody without a login, as the gateway tells them apart.
    Visitor(&'a str),
}

/// One request: where its answer is kept, and what it says. Both are keyed
/// hashes; neither the key nor the request can be read off them.
#[derive(Clone, Debug)]
pub struct Claim {
    pub(super) slot: [u8; 32],
    pub(super) body: [u8; 32],
    pub(super) route: &'static str,
    pub(super) service: &'static str,
}

/// Feeds a hash with what is written.
struct Hashing(hmac::Context);

// === impl Claim ===

impl Claim {
    pub(super) fn new(
        (secret, service): (&hmac::Key, &'static str),
        who: Who<'_>,
        route: &'static str,
        key: &IdempotencyKey,
        body: &impl Serialize,
    ) -> Result<Self, Fault> {
        let who = match who {
            Who::Account(account_id) => format!("account {account_id}"),
            Who::Visitor(visitor) => format!("visitor {visitor}"),
        };
        let mut slot = hmac::Context::with_key(secret);
        for part in ["slot", &who, route, key.as_str()] {
            // With its length before it no part can pass for two.
            slot.update(&(part.len() as u64).to_be_bytes());
            slot.update(part.as_bytes());
        }
        let mut hashing = Hashing(hmac::Context::with_key(secret));
        hashing.0.update(b"body");
        serde_json::to_writer(&mut hashing, body).map_err(|error| Fault::internal(&error))?;
        Ok(Self { slot: bytes(slot), body: bytes(hashing.0), route, service })
    }

    /// The number of its advisory lock.
    pub(super) fn lock(&self) -> i64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.slot[..8]);
        i64::from_be_bytes(first)
    }
}

fn bytes(context: hmac::Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Who<'_> = Who::Account(Uuid::from_u128(1));

    fn claim(secret: &[u8], who: Who<'_>, route: &'static str, key: &str, body: &str) -> Claim {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key = IdempotencyKey::parse(key).expect("a key");
        Claim::new((&secret, "test"), who, route, &key, &body).expect("hashed")
    }

    #[test]
    fn a_slot_is_who_route_and_key_and_nothing_else() {
        let first = claim(b"secret", ANN, "create_event", "k", "one");
        let repeat = claim(b"secret", ANN, "create_event", "k", "other");
        assert_eq!(first.slot, repeat.slot);
        assert_ne!(first.body, repeat.body);
        for other in [
            claim(b"another", ANN, "create_event", "k", "one"),
            claim(b"secret", Who::Account(Uuid::from_u128(2)), "create_event", "k", "one"),
            claim(b"secret", Who::Visitor("192.0.2.1"), "create_event", "k", "one"),
            claim(b"secret", ANN, "create_even", "tk", "one"),
            claim(b"secret", ANN, "create_event", "l", "one"),
        ] {
            assert_ne!(first.slot, other.slot);
        }
        assert_ne!(first.body, claim(b"another", ANN, "create_event", "k", "one").body, "keyed");
    }
}
