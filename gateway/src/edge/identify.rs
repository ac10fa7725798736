//! Gives a request its id and its client's address, and answers with the id.

use axum::{extract::Request, response::Response};

use super::{
    around::Around,
    client_address::{ClientAddress, TrustedProxies},
    request_id::{self, RequestId},
};

/// Names the request.
#[derive(Clone)]
pub(super) struct Identify {
    pub(super) proxies: TrustedProxies,
}

/// Which request an answer belongs to; in the extensions of every response.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) id: RequestId,
    pub(super) client: ClientAddress,
}

impl Around for Identify {
    type Kept = Origin;

    fn before(&self, request: &mut Request) -> Origin {
        let id = RequestId::of(request.headers());
        let client = self.proxies.client(request.extensions().get(), request.headers());
        let extensions = request.extensions_mut();
        extensions.insert(id.clone());
        extensions.insert(client);
        Origin { id, client }
    }

    fn after(&self, origin: Origin, mut response: Response) -> Response {
        response.headers_mut().insert(request_id::HEADER, origin.id.as_value().clone());
        response.extensions_mut().insert(origin);
        response
    }
}
