//! Gives failures their bodies, by [`crate::rescue`].

use axum::{extract::Request, response::Response};
use http::Method;

use super::{around::Around, request_id::RequestId};
use crate::rescue::rescue;

/// Everything below answers problems; everything above sees documents.
#[derive(Clone)]
pub(super) struct Explain;

impl Around for Explain {
    type Kept = (RequestId, Method);

    fn before(&self, request: &mut Request) -> Self::Kept {
        (RequestId::in_extensions(request.extensions()), request.method().clone())
    }

    fn after(&self, (id, method): Self::Kept, response: Response) -> Response {
        rescue(response, &id, &method)
    }
}
