//! The caller's token in the metadata of a call.
//!
//! A person's own tools say `authorization: Bearer TOKEN`. Our programs say it under a name of
//! their own: what is named `authorization` never gets a place in the tables of an HTTP/2
//! connection (h2 and nghttp2 alike), and four hundred bytes to be coded and decoded with every
//! call are a tenth of what a small call costs. In the table (RFC 7541, section 2.3.2) they are one
//! byte from the second call on, for as many sessions as fit: the gateway lets them in. Whether a token is there, only he can find out who can guess all
//! of it (section 7.1.1).

use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::{
    fault::{Fault, Reason},
    tokens::BearerToken,
};

/// The metadata key of a token by itself.
pub const TOKEN: &str = "x-access-token";
const AUTHORIZATION: &str = "authorization";

/// A token as metadata: not shown by `Debug`. `None`: it is no text of a header.
pub fn token_value(token: &BearerToken) -> Option<AsciiMetadataValue> {
    let mut value: AsciiMetadataValue = token.expose().parse().ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a call shows any credentials, good or bad.
pub fn shows_token(metadata: &MetadataMap) -> bool {
    metadata.contains_key(AUTHORIZATION) || metadata.contains_key(TOKEN)
}

/// The token of a call; `unauthenticated` without one, or under both names.
pub(super) fn token(metadata: &MetadataMap) -> Result<&str, Fault> {
    let text = |key: &str| metadata.get(key).map(|value| value.to_str().ok());
    let shown = match (text(AUTHORIZATION), text(TOKEN)) {
        (Some(bearer), None) => bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")),
        (None, Some(token)) => token,
        _ => None,
    };
    shown.ok_or_else(|| Fault::of(Reason::Unauthenticated))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> (bool, Option<String>) {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let metadata = MetadataMap::from_headers(headers);
        (shows_token(&metadata), token(&metadata).ok().map(str::to_owned))
    }

    #[test]
    fn either_name_will_do_and_both_together_will_not() {
        let good = || (true, Some("abc".to_owned()));
        assert_eq!(read(&[(AUTHORIZATION, "Bearer abc")]), good());
        assert_eq!(read(&[(TOKEN, "abc")]), good());
        assert_eq!(read(&[(AUTHORIZATION, "Bearer abc"), (TOKEN, "abc")]), (true, None));
        assert_eq!(read(&[(AUTHORIZATION, "Basic abc")]), (true, None));
        assert_eq!(read(&[("x-request-id", "abc")]), (false, None));
    }

    #[test]
    fn a_token_is_not_shown() {
        let value = token_value(&BearerToken::new("abc")).unwrap();
        assert_eq!((format!("{value:?}").contains("abc"), value.to_str().unwrap()), (false, "abc"));
    }
}
