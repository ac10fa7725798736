//! Verifies tokens against keys that come and go.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use metrics::counter;
use tokio::sync::Mutex;

use super::{
    AUDIENCE, Claims, ISSUER, Identity, KeySource,
    key_set::{KeySet, Signed},
};
use crate::{
    backoff::Backoff,
    clock::Clock,
    fault::{Fault, Reason},
    health::Dependency,
    lifecycle::Lifecycle,
};

/// An unknown `kid` triggers a fetch at most this often.
const REFETCH: Duration = Duration::from_secs(10);
/// A new key is published five minutes before it signs; this finds it in time.
const REFRESH: Duration = Duration::from_mins(1);
/// A token of ours is about 500 bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// Checks signature and claims. Starts without keys (unready, not dead), keeps
/// the last good set, and looks again when a `kid` is unknown.
///
/// A signature costs 60 µs, so the tokens whose signature was good are remembered,
/// for as long as the keys that said so are the published ones. Their times
/// are looked at again at every use.
pub struct Verifier {
    service: &'static str,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    keys: RwLock<Arc<KeySet>>,
    /// When the last fetch began; the lock lets one fetch run at a time.
    fetched: Mutex<Option<Instant>>,
}

// === impl Verifier ===

impl Verifier {
    /// A verifier without keys yet; see [`Self::keep_fresh`].
    pub fn new(service: &'static str, source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { service, source, clock, keys: RwLock::default(), fetched: Mutex::new(None) })
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
        if let Some(signed) = self.keys().recall(token) {
            return self.accept(signed);
        }
        let header = decode_header(token).map_err(|_| refused())?;
        let kid = header.kid.ok_or_else(refused)?;
        if self.keys().named(&kid).is_none() {
            self.refetch().await;
        }
        let keys = self.keys();
        if keys.is_empty() {
            return Err(Fault::unavailable("the token verifier"));
        }
        let key = keys.named(&kid).ok_or_else(refused)?;
        counter!("token_signatures_checked_total", "service" => self.service).increment(1);
        let claims = decode::<Claims>(token, key, &Self::rules()).map_err(|_| refused())?.claims;
        let signed = Signed::read(claims, token).ok_or_else(refused)?;
        keys.remember(&signed);
        self.accept(signed)
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

    fn accept(&self, signed: Signed) -> Result<Identity, Fault> {
        signed.at(self.clock.now().as_second()).ok_or_else(refused)
    }

    fn keys(&self) -> Arc<KeySet> {
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
        let published = self.source.fetch().await?;
        let keys = self.keys();
        if !keys.is_empty() && keys.is(&published) {
            return Ok(());
        }
        let set = Arc::new(KeySet::read(published)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }
}

/// The one answer for every bad token.
fn refused() -> Fault {
    Fault::of(Reason::Unauthenticated)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use futures::{FutureExt as _, future::BoxFuture};
    use jiff::{SignedDuration, Timestamp};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::ManualClock,
        tokens::{PURPOSE_ACCESS, key_set::LEEWAY},
    };

    /// The private half of a throw-away key pair (RFC 8037, appendix A.1), as PKCS#8.
    const PRIVATE: [u8; 48] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
        \x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\
        \x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
    /// The public half.
    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"one",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// `{"alg":"EdDSA","kid":"two"}`, no claims, no signature.
    const UNKNOWN_KID: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6InR3byJ9.e30.AA";

    #[derive(Default)]
    struct Counted {
        fetches: AtomicU32,
        up: bool,
        /// The `kid` is another one from now on.
        replaced: AtomicBool,
    }

    impl KeySource for Counted {
        fn fetch(&self) -> BoxFuture<'_, Result<String, Fault>> {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let kid =
                if self.replaced.load(Ordering::SeqCst) { "\"kid\":\"other\"" } else { "\"kid\":\"one\"" };
            let keys = KEYS.replace("\"kid\":\"one\"", kid);
            let answer = if self.up { Ok(keys) } else { Err(Fault::unavailable("auth")) };
            async { answer }.boxed()
        }
    }

    fn verifier(up: bool) -> (Arc<Counted>, ManualClock, Arc<Verifier>) {
        let source = Arc::new(Counted { up, ..Counted::default() });
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let verifier = Verifier::new("test", Arc::<Counted>::clone(&source), Arc::new(clock.clone()));
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

    /// A token that begins and ends at these seconds.
    fn token(not_before: i64, expires_at: i64) -> String {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: Uuid::nil(),
            name: "ann".to_owned(),
            sid: Uuid::nil(),
            iat: 0,
            nbf: not_before,
            exp: expires_at,
            purpose: PURPOSE_ACCESS.to_owned(),
        };
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &EncodingKey::from_ed_der(&PRIVATE)).expect("signed")
    }

    #[tokio::test]
    async fn a_good_signature_is_remembered_and_no_other() {
        let (_, _, verifier) = verifier(true);
        let token = token(0, 100);
        let mut forged = token.clone().into_bytes();
        let place = forged.len() - 10;
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("ASCII");
        for _ in 0..2 {
            assert_eq!(verifier.verify(&token).await.expect("good").token.expose(), token);
            assert!(verifier.verify(&forged).await.is_err());
            let remembered = |token: &str| verifier.keys().recall(token).is_some();
            assert_eq!((remembered(&token), remembered(&forged)), (true, false));
        }
    }

    #[tokio::test]
    async fn a_remembered_token_begins_and_ends_in_its_time() {
        let (_, clock, verifier) = verifier(true);
        let token = token(50, 100);
        assert!(verifier.verify(&token).await.is_err(), "too early");
        assert!(verifier.keys().recall(&token).is_some(), "the signature is good all the same");
        clock.advance(SignedDuration::from_secs(50 - LEEWAY));
        assert!(verifier.verify(&token).await.is_ok());
        clock.advance(SignedDuration::from_secs(50 + 2 * LEEWAY - 1));
        assert!(verifier.verify(&token).await.is_ok(), "the last second");
        clock.advance(SignedDuration::from_secs(1));
        assert!(verifier.verify(&token).await.is_err(), "too late");
    }

    #[tokio::test]
    async fn what_a_key_has_signed_is_forgotten_with_the_key() {
        let (source, _, verifier) = verifier(true);
        let token = token(0, 100);
        assert!(verifier.verify(&token).await.is_ok());
        verifier.fetch().await.expect("there");
        assert!(verifier.keys().recall(&token).is_some(), "the same keys: nothing is forgotten");
        source.replaced.store(true, Ordering::SeqCst);
        verifier.fetch().await.expect("there");
        let fault = verifier.verify(&token).await.expect_err("its key is not published any more");
        assert_eq!(fault.reason, Reason::Unauthenticated);
    }
}
