//! `Idempotency-Key`: a POST that creates something of the caller's may be
//! repeated (CONTRACTS, General). The service that owns the row knows what was
//! answered first; here the key goes in and the mark comes out.
//!
//! A route takes it by three lines: `params(RepeatKey)` in its documentation,
//! `key: RepeatKey` among its arguments, and the answer through
//! [`crate::routes`]' `answer::marked`.

use axum::extract::FromRequestParts;
use chassis::{
    fault::Fault,
    idempotency::{IdempotencyKey, wire},
};
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use tonic::{Request, metadata::MetadataValue};
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::session::{Caller, Visitor};
use crate::problem::Problem;

/// The header.
const KEY: HeaderName = HeaderName::from_static(wire::KEY);
/// On an answer that an earlier request was given.
pub const REPLAYED: HeaderName = HeaderName::from_static(wire::REPLAYED);
/// As people write it, and as `errors` names it.
pub const NAME: &str = "Idempotency-Key";

/// The key of a request, if it has one. 400 when it is none.
#[derive(Clone, Debug)]
pub struct RepeatKey(Option<IdempotencyKey>);

// === impl RepeatKey ===

impl RepeatKey {
    /// A message in the name of this caller, whose key it is.
    pub fn of_caller<T>(&self, caller: &Caller, message: T) -> Request<T> {
        self.attach(caller.request(message))
    }

    /// A message of a visitor: the key is that of their address, counted as
    /// limits count it.
    pub fn of_visitor<T>(&self, visitor: &Visitor, message: T) -> Request<T> {
        let mut request = self.attach(visitor.request(message));
        if self.0.is_some()
            && let Ok(network) = MetadataValue::try_from(visitor.address.network().to_string())
        {
            request.metadata_mut().insert(wire::VISITOR, network);
        }
        request
    }

    /// The key, for a service that counts it with each part of a request; empty: there is none.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", IdempotencyKey::as_str)
    }

    fn attach<T>(&self, mut request: Request<T>) -> Request<T> {
        let value = self.0.as_ref().and_then(|key| MetadataValue::try_from(key.as_str()).ok());
        if let Some(value) = value {
            request.metadata_mut().insert(wire::KEY, value);
        }
        request
    }

    fn read(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut lines = headers.get_all(KEY).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Ok(Self(None)),
            (Some(line), None) => {
                let text = line.to_str().map_err(|_| IdempotencyKey::RULE);
                let key = text.and_then(IdempotencyKey::parse);
                key.map(|key| Self(Some(key))).map_err(|rule| Fault::invalid(NAME, rule))
            }
            (Some(_), Some(_)) => Err(Fault::invalid(NAME, "must be there once")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RepeatKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::read(&parts.headers)?)
    }
}

/// What OpenAPI says of the header; its answers are added by [`crate::openapi`].
impl IntoParams for RepeatKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]([ -~]*[!-~])?$"))
            .examples(["0197f2a0-6f3e-7d61-8c9b-2f1d6a3b4c5d"]);
        let about = "Your own name for this request, new for each: a repeat of it within 24 hours gets the first \
                     answer again, with `Idempotent-Replayed: true`, and creates nothing";
        let parameter = ParameterBuilder::new()
            .name(NAME)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(text));
        vec![parameter.build()]
    }
}

/// What is added to a repeated answer.
pub fn mark(headers: &mut HeaderMap) {
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(KEY, HeaderValue::from_bytes(line).expect("a header value"));
        }
        match RepeatKey::read(&headers) {
            Ok(RepeatKey(key)) => Ok(key.map(|key| key.as_str().to_owned())),
            Err(fault) => Err(fault.fields[0].field.clone()),
        }
    }

    #[test]
    fn a_key_is_one_header_of_at_most_255_characters() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"\"a b\""]), Ok(Some("\"a b\"".to_owned())));
        assert_eq!(read(&[&[b'k'; 255]]), Ok(Some("k".repeat(255))));
        for lines in [&[&b""[..]][..], &[b" "], &[&[b'k'; 256]], &["ä".as_bytes()], &[b"a", b"a"]] {
            assert_eq!(read(lines), Err(NAME.to_owned()), "{lines:?}");
        }
    }
}
