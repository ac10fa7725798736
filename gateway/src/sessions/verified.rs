//! Tokens whose signature was verified before, by their hash.

use std::sync::Arc;

use chassis::{
    clock::Clock,
    fault::{Fault, Reason},
    tokens::{Identity, Verifier},
};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

/// A signature costs 60 µs to verify and 1 µs to remember.
pub(super) struct VerifiedTokens {
    verifier: Arc<Verifier>,
    clock: Arc<dyn Clock>,
    known: Cache<[u8; 32], Identity>,
}

// === impl VerifiedTokens ===

impl VerifiedTokens {
    pub(super) fn new(verifier: Arc<Verifier>, clock: Arc<dyn Clock>, capacity: u64) -> Self {
        Self { verifier, clock, known: Cache::builder().max_capacity(capacity).build() }
    }

    /// Whose token this is, whatever became of its session.
    pub(super) async fn verify(&self, token: &str) -> Result<Identity, Fault> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(identity) = self.known.get(&hash) {
            // Remembered or not: past its time a token is worth nothing.
            if self.clock.now() < identity.expires_at {
                return Ok(identity);
            }
            self.known.invalidate(&hash);
            return Err(Fault::of(Reason::Unauthenticated));
        }
        let identity = self.verifier.verify(token).await?;
        self.known.insert(hash, identity.clone());
        Ok(identity)
    }
}
