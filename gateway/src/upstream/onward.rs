//! What a call onward carries of the request it belongs to.

use chassis::tokens::Identity;
use http::{HeaderMap, HeaderValue, header};
use tonic::{Extensions, Request, metadata::MetadataMap};

use crate::edge::request_id::{self, RequestId};

/// Metadata of every call made for one request: its id, and the caller's token
/// where there is a caller. Each service verifies the token again.
#[derive(Clone, Debug)]
pub struct Onward {
    request_id: RequestId,
    authorization: Option<HeaderValue>,
}

// === impl Onward ===

impl Onward {
    /// For a request, in the name of its caller if it has one.
    pub fn new(request_id: RequestId, identity: Option<&Identity>) -> Self {
        let bearer = |identity: &Identity| {
            let text = format!("Bearer {}", identity.token.expose());
            let mut value = HeaderValue::try_from(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        Self { request_id, authorization: identity.and_then(bearer) }
    }

    /// A message with this metadata.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(request_id::HEADER, self.request_id.as_value().clone());
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        Request::from_parts(MetadataMap::from_headers(headers), Extensions::new(), message)
    }
}
