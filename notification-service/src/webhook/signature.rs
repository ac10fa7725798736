//! Standard Webhooks: the signature of a message.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::model::{Secret, SigningSecrets};

/// `webhook-signature`: version and base64 of each signature, one a secret,
/// separated by spaces. Signed are id, timestamp and body.
pub fn sign(secrets: &SigningSecrets, id: &str, timestamp: i64, body: &[u8]) -> String {
    let current = one(&secrets.current, id, timestamp, body);
    match &secrets.previous {
        Some(previous) => format!("{current} {}", one(previous, id, timestamp, body)),
        None => current,
    }
}

fn one(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    let mut signed = hmac::Context::with_key(&key);
    signed.update(format!("{id}.{timestamp}.").as_bytes());
    signed.update(body);
    format!("v1,{}", STANDARD.encode(signed.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of Standard Webhooks' own example is 24 bytes; ours are 32. Made
    /// with Python's `hmac` from the words of the specification.
    #[test]
    fn it_is_what_the_specification_says() {
        let secret = Secret::from_bytes(&[7; 32]).unwrap();
        let secrets = SigningSecrets { current: secret, previous: None };
        let signature =
            sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,YO/ulmd+VFtlnbodv7yLOOsS6RlBZ48h++gXZrGOpZo=");
    }

    #[test]
    fn both_secrets_sign_after_a_rotation() {
        let (current, previous) = (Secret::random(), Secret::random());
        let only = |secret: &Secret| {
            sign(&SigningSecrets { current: secret.clone(), previous: None }, "id", 1, b"body")
        };
        let both = SigningSecrets { current: current.clone(), previous: Some(previous.clone()) };
        assert_eq!(sign(&both, "id", 1, b"body"), format!("{} {}", only(&current), only(&previous)));
    }
}
