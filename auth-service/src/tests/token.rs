//! Tokens: what they say, and every way in which one can be wrong.
//!
//! The forgeries are signed with the service's own key unless they say
//! otherwise: each is refused for the one thing that is wrong with it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::fault::{Fault, Reason};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proto::auth::v1::LoginResponse;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Fixture;
use crate::signing::{key::FreshKey, seal::SealingKey};

/// A good token taken apart, and the key that signed it.
struct Workshop {
    fixture: Fixture,
    login: LoginResponse,
    claims: Value,
    kid: String,
    key: EncodingKey,
    public_key: Vec<u8>,
    now: i64,
}

impl Workshop {
    async fn new(pool: PgPool) -> Self {
        let fixture = Fixture::new(pool).await;
        let login = fixture.newcomer("ann").await;
        let row = sqlx::query!("select kid, public_key, sealed_private_key from signing_keys");
        let row = row.fetch_one(&fixture.pool).await.expect("a key");
        let seal = SealingKey::from_file(&fixture.config.key_file).expect("the key file");
        let private = seal.open(&row.kid, &row.sealed_private_key).expect("opens");
        let payload = login.token.split('.').nth(1).expect("a payload");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
        let claims: Value = serde_json::from_slice(&payload).expect("JSON");
        Self {
            now: claims["iat"].as_i64().expect("a time"),
            key: EncodingKey::from_ed_der(&private),
            public_key: row.public_key,
            kid: row.kid,
            claims,
            login,
            fixture,
        }
    }

    /// The good claims with one of them changed.
    fn with(&self, claim: &str, value: impl Into<Value>) -> Value {
        let mut claims = self.claims.clone();
        claims[claim] = value.into();
        claims
    }

    fn without(&self, claim: &str) -> Value {
        let mut claims = self.claims.clone();
        claims.as_object_mut().expect("an object").remove(claim).expect("it was there");
        claims
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(Algorithm::EdDSA, Some(&self.kid), &self.key, claims)
    }

    #[expect(clippy::unused_self, reason = "reads as the workshop's work")]
    fn sign_as(&self, alg: Algorithm, kid: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(alg) };
        encode(&header, claims, key).expect("signed")
    }

    async fn verify(&self, token: &str) -> Result<(), Fault> {
        self.fixture.app.verifier.verify(token).await.map(drop)
    }

    async fn assert_refused(&self, token: &str, why: &str) {
        let refused = self.verify(token).await.expect_err(why);
        assert_eq!(refused, Fault::of(Reason::Unauthenticated), "{why}");
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_token_says_this_and_no_more(pool: PgPool) {
    let workshop = Workshop::new(pool).await;
    let claims = workshop.claims.as_object().expect("an object");
    let mut names: Vec<_> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "name", "nbf", "purpose", "sid", "sub"]);
    assert_eq!((&claims["name"], &claims["purpose"]), (&json!("ann"), &json!("access")));
    assert_eq!(claims["sid"], json!(workshop.login.session_id));
    assert_eq!(claims["exp"].as_i64().expect("a time") - workshop.now, 30 * 24 * 3600);
    workshop.verify(&workshop.login.token).await.expect("the good token");
    workshop.verify(&workshop.sign(&workshop.claims)).await.expect("its copy: the workshop works");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn one_wrong_or_missing_claim_is_enough(pool: PgPool) {
    let workshop = Workshop::new(pool).await;
    for claim in ["iss", "aud", "sub", "name", "sid", "iat", "nbf", "exp", "purpose"] {
        workshop.assert_refused(&workshop.sign(&workshop.without(claim)), claim).await;
    }
    for (claim, value) in [
        ("iss", json!("somebody else")),
        ("aud", json!("another product")),
        ("purpose", json!("ticket")),
        ("sub", json!("ann")),
        ("sid", json!("")),
        ("exp", json!("tomorrow")),
    ] {
        workshop.assert_refused(&workshop.sign(&workshop.with(claim, value)), claim).await;
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn times_have_a_leeway_of_five_seconds(pool: PgPool) {
    let workshop = Workshop::new(pool).await;
    let now = workshop.now;
    workshop.verify(&workshop.sign(&workshop.with("exp", now))).await.expect("within the leeway");
    workshop.assert_refused(&workshop.sign(&workshop.with("exp", now - 6)), "expired").await;
    workshop.verify(&workshop.sign(&workshop.with("nbf", now + 3))).await.expect("within the leeway");
    workshop.assert_refused(&workshop.sign(&workshop.with("nbf", now + 60)), "not yet").await;
    workshop.assert_refused(&workshop.sign(&workshop.with("iat", now + 60)), "from the future").await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn only_our_keys_sign_and_only_with_our_algorithm(pool: PgPool) {
    let workshop = Workshop::new(pool).await;
    let (kid, claims) = (Some(workshop.kid.as_str()), &workshop.claims);

    // A key of a stranger's, under our kid and under its own.
    let seal = SealingKey::new(&[1; 32]);
    let stranger = FreshKey::generate();
    let private = seal.open(&stranger.kid, &stranger.sealed(&seal)).expect("opens");
    let foreign = EncodingKey::from_ed_der(&private);
    let forged = workshop.sign_as(Algorithm::EdDSA, kid, &foreign, claims);
    workshop.assert_refused(&forged, "foreign key, our kid").await;
    let forged = workshop.sign_as(Algorithm::EdDSA, Some(&stranger.kid), &foreign, claims);
    workshop.assert_refused(&forged, "foreign key, its own kid").await;
    let forged = workshop.sign_as(Algorithm::EdDSA, None, &workshop.key, claims);
    workshop.assert_refused(&forged, "no kid").await;

    // The public key taken for a shared secret.
    let shared = EncodingKey::from_secret(&workshop.public_key);
    let forged = workshop.sign_as(Algorithm::HS256, kid, &shared, claims);
    workshop.assert_refused(&forged, "HS256").await;

    // No signature at all.
    let parts: Vec<_> = workshop.login.token.split('.').collect();
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": workshop.kid }).to_string());
    workshop.assert_refused(&format!("{header}.{}.", parts[1]), "alg none").await;
    workshop.assert_refused(&format!("{}.{}.", parts[0], parts[1]), "signature cut off").await;

    // Our signature under other claims.
    let other = URL_SAFE_NO_PAD.encode(workshop.with("name", "bob").to_string());
    workshop.assert_refused(&format!("{}.{other}.{}", parts[0], parts[2]), "claims exchanged").await;
}
