//! Signs tokens as auth-service does.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    clock::{Clock as _, SystemClock},
    tokens::{AUDIENCE, Claims, ISSUER, PURPOSE_ACCESS},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use uuid::Uuid;

/// A key, and what it signs.
pub(crate) struct Signer {
    key: EncodingKey,
    public: String,
}

/// Somebody with a session.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) account: Uuid,
    pub(crate) session: Uuid,
    pub(crate) token: String,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Self { key: EncodingKey::from_ed_der(document.as_ref()), public }
    }

    pub(crate) fn jwks(&self) -> String {
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1", "x": self.public,
        });
        json!({ "keys": [key] }).to_string()
    }

    /// A token of `account` in `session` that is good for so many seconds.
    pub(crate) fn token(&self, account: Uuid, session: Uuid, seconds: i64) -> String {
        let now = SystemClock.now().as_second();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: account,
            name: "ann".into(),
            sid: session,
            iat: now,
            nbf: now,
            exp: now + seconds,
            purpose: PURPOSE_ACCESS.into(),
        };
        let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &self.key).expect("a token")
    }
}
