//! Makes, publishes and drops signing keys.
//!
//! Every step is one transaction under an advisory lock, so that instances
//! agree: a fresh database gets one key, and a worn key one successor. The
//! successor is published five minutes before it signs; verifiers look once a
//! minute. A superseded key stays until its tokens are gone.

use std::{sync::Arc, time::Duration};

use chassis::{fault::Fault, health::Dependency, lifecycle::Lifecycle};

use super::{
    key::{FreshKey, RingKey},
    ring::KeyRing,
    seal::SealingKey,
};
use crate::store::{NewKey, Store, Tx};

/// How long a new key is published before it signs.
pub(crate) const LEAD: Duration = Duration::from_mins(5);
/// Between two looks at the table; far below [`LEAD`], so that every instance
/// knows a key by the time it signs.
const LOOK: Duration = Duration::from_secs(30);
/// Between two tries while the database is away.
const RETRY: Duration = Duration::from_millis(250);

/// Keeps the table and the ring of this instance in order.
#[derive(Clone)]
pub(crate) struct Rotation {
    store: Store,
    seal: Arc<SealingKey>,
    ring: KeyRing,
    /// The age at which a key gets a successor.
    period: Duration,
}

// === impl Rotation ===

impl Rotation {
    /// Rotation of the keys in `store`, read into `ring`.
    pub(crate) const fn new(store: Store, seal: Arc<SealingKey>, ring: KeyRing, period: Duration) -> Self {
        Self { store, seal, ring, period }
    }

    /// The ring that this rotation fills.
    pub(crate) fn ring(&self) -> KeyRing {
        self.ring.clone()
    }

    /// Looks at the keys until the soft stop; reports into `state`.
    pub(crate) async fn run(&self, state: Dependency, lifecycle: Lifecycle) {
        let mut known = false;
        while !lifecycle.is_draining() {
            let wait = match self.tend().await {
                Ok(true) => {
                    known = true;
                    state.up();
                    LOOK
                }
                Ok(false) => {
                    state.down("sealed with another key file");
                    LOOK
                }
                // Once the keys are known, signing goes on without the table.
                Err(fault) if !known => {
                    state.down(fault.detail);
                    RETRY
                }
                Err(_) => RETRY,
            };
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = lifecycle.draining() => return }
        }
    }

    /// Makes the first key or a successor where one is due, drops spent keys,
    /// and reads the rest into the ring. Answers whether the ring can sign.
    pub(crate) async fn tend(&self) -> Result<bool, Fault> {
        let mut tx = self.store.begin().await?;
        tx.lock_signing_keys().await?;
        let dropped = tx.drop_spent_keys().await?;
        let keys = tx.signing_keys(self.period).await?;
        match keys.last() {
            None => _ = self.publish(&mut tx, Duration::ZERO).await?,
            Some(latest) if latest.worn => _ = self.publish(&mut tx, LEAD).await?,
            Some(_) => {}
        }
        let keys = tx.signing_keys(self.period).await?;
        let now = tx.now().await?;
        tx.commit().await?;
        if dropped > 0 {
            tracing::info!(keys = dropped, "dropped signing keys whose tokens are gone");
        }
        metrics::gauge!("auth_signing_keys", "service" => "auth").set(keys.len() as f64);
        self.ring.replace(keys.into_iter().map(|key| RingKey::open(key, &self.seal)).collect());
        Ok(self.ring.can_sign(now))
    }

    /// Publishes a successor now, whatever the age of the current key; answers
    /// its kid. It signs five minutes later.
    pub(crate) async fn rotate(&self) -> Result<String, Fault> {
        let mut tx = self.store.begin().await?;
        tx.lock_signing_keys().await?;
        let lead = if tx.signing_keys(self.period).await?.is_empty() { Duration::ZERO } else { LEAD };
        let kid = self.publish(&mut tx, lead).await?;
        tx.commit().await?;
        Ok(kid)
    }

    /// Drops every key and makes one that signs at once: for a key that leaked
    /// or a key file that was lost. All tokens die with their keys.
    pub(crate) async fn revoke(&self) -> Result<String, Fault> {
        let mut tx = self.store.begin().await?;
        tx.lock_signing_keys().await?;
        let revoked = tx.revoke_signing_keys().await?;
        let kid = self.publish(&mut tx, Duration::ZERO).await?;
        tx.commit().await?;
        tracing::warn!(keys = revoked, "revoked signing keys");
        Ok(kid)
    }

    async fn publish(&self, tx: &mut Tx, lead: Duration) -> Result<String, Fault> {
        let key = FreshKey::generate();
        let sealed_private_key = key.sealed(&self.seal);
        tx.add_signing_key(&NewKey {
            kid: &key.kid,
            public_key: &key.public_key,
            sealed_private_key: &sealed_private_key,
            lead,
        })
        .await?;
        tracing::info!(kid = key.kid, lead_seconds = lead.as_secs(), "published a signing key");
        Ok(key.kid)
    }
}
