//! The published keys in memory: signs tokens, answers the key set.

use std::sync::{Arc, PoisonError, RwLock};

use chassis::{
    fault::Fault,
    tokens::{AUDIENCE, Claims, ISSUER, KeySource, PURPOSE_ACCESS},
};
use futures::{FutureExt as _, future::BoxFuture};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, encode};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::key::RingKey;

/// What this instance knows of the signing keys; empty until they were read.
/// Clones share one ring.
#[derive(Clone, Default)]
pub(crate) struct KeyRing {
    keys: Arc<RwLock<Arc<[RingKey]>>>,
}

/// What a token shall say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a> {
    /// Whom it is about.
    pub(crate) account_id: Uuid,
    /// As it was spelt at registration.
    pub(crate) username: &'a str,
    /// What it is worth.
    pub(crate) session_id: Uuid,
    /// Now, by the database's clock.
    pub(crate) issued_at: Timestamp,
    /// When the session ends.
    pub(crate) expires_at: Timestamp,
}

// === impl KeyRing ===

impl KeyRing {
    /// Takes the keys that are published now.
    pub(crate) fn replace(&self, keys: Vec<RingKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// An access token. `unavailable` while there is no key that may sign.
    pub(crate) fn sign(&self, grant: &Grant<'_>) -> Result<SecretString, Fault> {
        let keys = self.keys();
        let no_key = || Fault::unavailable("the signing key");
        let key = signer(&keys, grant.issued_at).ok_or_else(no_key)?;
        let private = key.private.as_ref().ok_or_else(no_key)?;
        let issued_at = grant.issued_at.as_second();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: grant.account_id,
            name: grant.username.to_owned(),
            sid: grant.session_id,
            iat: issued_at,
            nbf: issued_at,
            exp: grant.expires_at.as_second(),
            purpose: PURPOSE_ACCESS.to_owned(),
        };
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, private).map(Into::into).map_err(|error| Fault::internal(&error))
    }

    /// The public keys, RFC 7517. `unavailable` until they were read once.
    pub(crate) fn jwks(&self) -> Result<String, Fault> {
        let keys = self.keys();
        if keys.is_empty() {
            return Err(Fault::unavailable("the signing keys"));
        }
        let keys: Vec<_> = keys.iter().map(RingKey::jwk).collect();
        Ok(json!({ "keys": keys }).to_string())
    }

    /// `unavailable` while no key could sign anything.
    pub(crate) fn ensure_ready(&self) -> Result<(), Fault> {
        let ready = self.keys().iter().any(|key| key.private.is_some());
        if ready { Ok(()) } else { Err(Fault::unavailable("the signing key")) }
    }

    /// Whether a token issued at `at` could be signed.
    pub(crate) fn can_sign(&self, at: Timestamp) -> bool {
        signer(&self.keys(), at).is_some_and(|key| key.private.is_some())
    }

    fn keys(&self) -> Arc<[RingKey]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The key with the latest start that has come.
fn signer(keys: &[RingKey], at: Timestamp) -> Option<&RingKey> {
    keys.iter().filter(|key| key.signs_from <= at).max_by_key(|key| (key.signs_from, &key.kid))
}

impl KeySource for KeyRing {
    fn fetch(&self) -> BoxFuture<'_, Result<String, Fault>> {
        async { self.jwks() }.boxed()
    }
}
