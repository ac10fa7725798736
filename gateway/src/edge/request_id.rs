//! The id that follows one request through every log line of every service.

use std::fmt;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};

/// The header, in and out, and the gRPC metadata key.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// A longer id from outside is replaced.
const MAX_LENGTH: usize = 128;

/// In the extensions of every request behind the edge.
///
/// A client may bring its own (`[A-Za-z0-9._-]`, at most 128 characters), so
/// that its logs and ours can be read side by side; anything else is replaced,
/// never repaired. It identifies, it never authorises.
#[derive(Clone)]
pub struct RequestId(HeaderValue);

// === impl RequestId ===

impl RequestId {
    /// The client's id if it is well-formed, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let brought = headers.get(HEADER).filter(|id| well_formed(id.as_bytes()));
        brought.map_or_else(Self::random, |id| Self(id.clone()))
    }

    /// A new id: 128 random bits, hexadecimal.
    pub fn random() -> Self {
        let text = format!("{:032x}", rand::random::<u128>());
        Self(HeaderValue::try_from(text).unwrap_or_else(|_| unreachable!("hexadecimal is ASCII")))
    }

    /// The id of the request with these extensions.
    pub fn in_extensions(extensions: &Extensions) -> Self {
        // Absent only where a part is driven without the edge, in a test.
        extensions.get::<Self>().cloned().unwrap_or_else(Self::random)
    }

    /// As a header or metadata value; a clone costs no allocation.
    pub const fn as_value(&self) -> &HeaderValue {
        &self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn well_formed(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(plain)
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(brought: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(brought) {
            headers.insert(HEADER, value);
        }
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_well_formed_id_is_kept() {
        assert_eq!(of(b"a1.B-c_2"), "a1.B-c_2");
        assert_eq!(of(&[b'x'; 128]), "x".repeat(128));
    }

    #[test]
    fn anything_else_is_replaced() {
        for bad in [&b""[..], b"a b", b"a\"b", b"a{b}", b"\xff", &[b'x'; 129]] {
            let id = of(bad);
            assert_eq!(id.len(), 32, "{bad:?}");
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        assert_ne!(of(b""), of(b""), "two new ids differ");
    }
}
