//! Verifies tokens against keys that come and go.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use tokio::sync::Mutex;

use super::{AUDIENCE, BearerToken, Claims, ISSUER, Identity, KeySource, PURPOSE_ACCESS};
use crate::{
    backoff::Backoff,
    clock::Clock,
    fault::{Fault, Reason, chain},
    health::Dependency,
    lifecycle::Lifecycle,
};

/// An unknown `kid` triggers a fetch at most this often.
const REFETCH: Duration = Duration::from_secs(10);
/// A new key is published five minutes before it signs; this finds it in time.
const REFRESH: Duration = Duration::from_mins(1);
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 5;
/// A token of ours is about 500 bytes.
const MAX_TOKEN_BYTES: usize = 4096;

type Keys = Arc<HashMap<String, DecodingKey>>;

/// Checks signature and claims. Starts without keys (unready, not dead), keeps
/// the last good set, and looks again when a `kid` is unknown.
pub struct Verifier {
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    keys: RwLock<Keys>,
    /// When the last fetch began; the lock lets one fetch run at a time.
    fetched: Mutex<Option<Instant>>,
}

// === impl Verifier ===

impl Verifier {
    /// A verifier without keys yet; see [`Self::keep_fresh`].
    pub fn new(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { source, clock, keys: RwLock::default(), fetched: Mutex::new(None) })
    }

    /// Fetches the keys until there are some, then once a minute; reports
    /// into `state`; ends with the soft stop.
    pub async fn keep_fresh(&self, state: Dependency, lifecycle: Lifecycle) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        loop {
            let wait = match self.fetch().await {
                Ok(()) => {
                    state.up();
                    backoff.reset();
                    REFRESH
                }
                Err(fault) => {
                    if self.keys().is_empty() {
                        state.down(fault.detail);
                    }
                    backoff.next_delay(&mut rand::rng()) + Duration::from_millis(20)
                }
            };
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = lifecycle.draining() => return }
        }
    }

    /// Who the token says calls. `unauthenticated` for everything wrong with
    /// it, in one text; `unavailable` while no keys are known at all.
    pub async fn verify(&self, token: &str) -> Result<Identity, Fault> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused());
        }
        let header = decode_header(token).map_err(|_| refused())?;
        let kid = header.kid.ok_or_else(refused)?;
        if !self.keys().contains_key(&kid) {
            self.refetch().await;
        }
        let keys = self.keys();
        if keys.is_empty() {
            return Err(Fault::unavailable("the token verifier"));
        }
        let key = keys.get(&kid).ok_or_else(refused)?;
        let claims = decode::<Claims>(token, key, &Self::rules()).map_err(|_| refused())?.claims;
        self.accept(claims, token)
    }

    /// Everything but `exp` and `nbf`, which are compared by our own clock below.
    fn rules() -> Validation {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules
    }

    fn accept(&self, claims: Claims, token: &str) -> Result<Identity, Fault> {
        let now = self.clock.now().as_second();
        let leeway = LEEWAY as i64;
        let in_time = claims.nbf <= now + leeway && now < claims.exp.saturating_add(leeway);
        if !in_time || claims.purpose != PURPOSE_ACCESS || claims.iat > now + leeway {
            return Err(refused());
        }
        Ok(Identity {
            account_id: claims.sub,
            username: claims.name.into(),
            session_id: claims.sid,
            expires_at: Timestamp::from_second(claims.exp).map_err(|_| refused())?,
            token: BearerToken::new(token),
        })
    }

    fn keys(&self) -> Keys {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches unless somebody did within the last ten seconds.
    async fn refetch(&self) {
        let mut fetched = self.fetched.lock().await;
        let now = self.clock.monotonic();
        if fetched.is_some_and(|at| now.duration_since(at) < REFETCH) {
            return;
        }
        *fetched = Some(now);
        if let Err(fault) = self.fetch().await {
            tracing::warn!(error = %fault, "cannot fetch the token keys");
        }
    }

    async fn fetch(&self) -> Result<(), Fault> {
        let json = self.source.fetch().await?;
        let set: JwkSet = serde_json::from_str(&json).map_err(|error| Fault::internal(&error))?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let Some(kid) = jwk.common.key_id.clone() else { continue };
            match DecodingKey::from_jwk(jwk) {
                Ok(key) => _ = keys.insert(kid, key),
                Err(error) => tracing::warn!(kid, error = chain(&error), "a published key is not usable"),
            }
        }
        if keys.is_empty() {
            return Err(Fault::unavailable("the key set"));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }
}

/// The one answer for every bad token.
fn refused() -> Fault {
    Fault::of(Reason::Unauthenticated)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::{FutureExt as _, future::BoxFuture};
    use jiff::SignedDuration;

    use super::*;
    use crate::clock::ManualClock;

    /// The public half of a throw-away key pair.
    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"one",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// `{"alg":"EdDSA","kid":"two"}`, no claims, no signature.
    const UNKNOWN_KID: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6InR3byJ9.e30.AA";

    #[derive(Default)]
    struct Counted {
        fetches: AtomicU32,
        up: bool,
    }

    impl KeySource for Counted {
        fn fetch(&self) -> BoxFuture<'_, Result<String, Fault>> {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let answer = if self.up { Ok(KEYS.to_owned()) } else { Err(Fault::unavailable("auth")) };
            async { answer }.boxed()
        }
    }

    fn verifier(up: bool) -> (Arc<Counted>, ManualClock, Arc<Verifier>) {
        let source = Arc::new(Counted { up, ..Counted::default() });
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let verifier = Verifier::new(Arc::<Counted>::clone(&source), Arc::new(clock.clone()));
        (source, clock, verifier)
    }

    #[tokio::test]
    async fn an_unknown_kid_fetches_once_in_ten_seconds() {
        let (source, clock, verifier) = verifier(true);
        for _ in 0..50 {
            let fault = verifier.verify(UNKNOWN_KID).await.expect_err("the kid is not known");
            assert_eq!(fault.reason, Reason::Unauthenticated);
        }
        assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
        clock.advance(SignedDuration::from_secs(11));
        assert!(verifier.verify(UNKNOWN_KID).await.is_err());
        assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn without_any_key_the_answer_is_unavailable_not_refused() {
        let (_, _, verifier) = verifier(false);
        let fault = verifier.verify(UNKNOWN_KID).await.expect_err("there are no keys");
        assert_eq!(fault.reason, Reason::Unavailable);
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused_without_a_fetch() {
        let (source, _, verifier) = verifier(true);
        for text in ["", "x", "a.b.c", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            let fault = verifier.verify(text).await.expect_err("not a token");
            assert_eq!(fault.reason, Reason::Unauthenticated);
        }
        assert_eq!(source.fetches.load(Ordering::SeqCst), 0);
    }
}
