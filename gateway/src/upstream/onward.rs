//! What a call onward carries of the request it belongs to.

use chassis::{rpc, tokens::Identity};
use http::HeaderMap;
use tonic::{
    Extensions, Request,
    metadata::{AsciiMetadataValue, MetadataMap},
};

use crate::edge::request_id::{self, RequestId};

/// Metadata of every call made for one request: its id, and the caller's token
/// where there is a caller. Each service verifies the token again.
#[derive(Clone, Debug)]
pub struct Onward {
    request_id: RequestId,
    token: Option<AsciiMetadataValue>,
}

// === impl Onward ===

impl Onward {
    /// For a request, in the name of its caller if it has one.
    pub fn new(request_id: RequestId, identity: Option<&Identity>) -> Self {
        let token = identity.and_then(|identity| rpc::token_value(&identity.token));
        Self { request_id, token }
    }

    /// A message with this metadata.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(request_id::HEADER, self.request_id.as_value().clone());
        let mut metadata = MetadataMap::from_headers(headers);
        if let Some(token) = &self.token {
            metadata.insert(rpc::TOKEN, token.clone());
        }
        Request::from_parts(metadata, Extensions::new(), message)
    }
}
