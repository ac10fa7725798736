//! The keys as published at one time, and what they were seen to have signed.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use jsonwebtoken::{DecodingKey, jwk::JwkSet};
use moka::sync::Cache;

use super::{BearerToken, Claims, Identity, PURPOSE_ACCESS};
use crate::fault::{Fault, chain};

/// Seconds by which clocks may differ.
pub(super) const LEEWAY: i64 = 5;
/// Tokens that are remembered at once: 10 MB, and everybody who is about.
const REMEMBERED: u64 = 10_000;

/// A set of keys with the tokens that are known to be theirs: what is remembered
/// goes with the keys.
pub(super) struct KeySet {
    published: String,
    by_kid: HashMap<String, DecodingKey>,
    /// By the token's text.
    good: Cache<Arc<str>, Signed>,
}

/// What a good signature vouches for, in its time.
#[derive(Clone)]
pub(super) struct Signed {
    identity: Identity,
    /// Seconds since the epoch, as are those below.
    not_before: i64,
    issued_at: i64,
    expires_at: i64,
}

// === impl KeySet ===

impl Default for KeySet {
    fn default() -> Self {
        Self::of(String::new(), HashMap::new())
    }
}

impl KeySet {
    fn of(published: String, by_kid: HashMap<String, DecodingKey>) -> Self {
        Self { published, by_kid, good: Cache::new(REMEMBERED) }
    }

    /// Reads a JSON Web Key Set with at least one key that we can use.
    pub(super) fn read(published: String) -> Result<Self, Fault> {
        let set: JwkSet = serde_json::from_str(&published).map_err(|error| Fault::internal(&error))?;
        let mut by_kid = HashMap::new();
        for jwk in &set.keys {
            let Some(kid) = jwk.common.key_id.clone() else { continue };
            match DecodingKey::from_jwk(jwk) {
                Ok(key) => _ = by_kid.insert(kid, key),
                Err(error) => tracing::warn!(kid, error = chain(&error), "a published key is not usable"),
            }
        }
        if by_kid.is_empty() {
            return Err(Fault::unavailable("the key set"));
        }
        Ok(Self::of(published, by_kid))
    }

    /// Whether this is what is published.
    pub(super) fn is(&self, published: &str) -> bool {
        self.published == published
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_kid.is_empty()
    }

    pub(super) fn named(&self, kid: &str) -> Option<&DecodingKey> {
        self.by_kid.get(kid)
    }

    /// What one of these keys was seen to vouch for.
    pub(super) fn recall(&self, token: &str) -> Option<Signed> {
        self.good.get(token)
    }

    /// Remembers what one of these keys vouches for.
    pub(super) fn remember(&self, signed: &Signed) {
        self.good.insert(signed.identity.token.text(), signed.clone());
    }
}

// === impl Signed ===

impl Signed {
    /// Reads what a token says whose signature is good; none when it is for something else.
    pub(super) fn read(claims: Claims, token: &str) -> Option<Self> {
        let identity = Identity {
            account_id: claims.sub,
            username: claims.name.into(),
            session_id: claims.sid,
            expires_at: Timestamp::from_second(claims.exp).ok()?,
            token: BearerToken::new(token),
        };
        let Claims { nbf: not_before, iat: issued_at, exp: expires_at, .. } = claims;
        let signed = Self { identity, not_before, issued_at, expires_at };
        (claims.purpose == PURPOSE_ACCESS).then_some(signed)
    }

    /// Whom it vouches for at this second.
    pub(super) fn at(self, now: i64) -> Option<Identity> {
        let latest = now + LEEWAY;
        let begun = self.not_before <= latest && self.issued_at <= latest;
        (begun && now < self.expires_at.saturating_add(LEEWAY)).then_some(self.identity)
    }
}
