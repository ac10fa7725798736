//! Two small layers about where a request goes.

use axum::{
    extract::{MatchedPath, OriginalUri, Request},
    response::Response,
};
use http::{Uri, uri::PathAndQuery};

use super::around::Around;

const PREFIX: &str = "/api";

/// Takes `/api` off before routing, so that a route is one route: one handler,
/// one budget, one metric label (CONTRACTS: each path at `/…` and at `/api/…`).
#[derive(Clone)]
pub(super) struct TakePrefixOff;

/// Tells the layers above which route was matched.
#[derive(Clone)]
pub(super) struct NoteRoute;

impl Around for TakePrefixOff {
    type Kept = ();

    fn before(&self, request: &mut Request) {
        if let Some(shorter) = without_prefix(request.uri()) {
            let original = std::mem::replace(request.uri_mut(), shorter);
            request.extensions_mut().insert(OriginalUri(original));
        }
    }

    fn after(&self, (): (), response: Response) -> Response {
        response
    }
}

impl Around for NoteRoute {
    type Kept = Option<MatchedPath>;

    fn before(&self, request: &mut Request) -> Self::Kept {
        request.extensions().get().cloned()
    }

    fn after(&self, route: Self::Kept, mut response: Response) -> Response {
        if let Some(route) = route {
            response.extensions_mut().insert(route);
        }
        response
    }
}

fn without_prefix(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(PREFIX)?;
    let rest = match rest.as_bytes().first() {
        Some(b'/') => PathAndQuery::try_from(rest).ok()?,
        None | Some(b'?') => PathAndQuery::try_from(format!("/{rest}")).ok()?,
        // `/apiary` is a path of its own.
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prefix_is_taken_off() {
        for (uri, expected) in [
            ("/api/user/login", Some("/user/login")),
            ("/api/x?y=/api/z", Some("/x?y=/api/z")),
            ("/api/api/x", Some("/api/x")),
            ("/api", Some("/")),
            ("/api?x", Some("/?x")),
            ("/apiary", None),
            ("/user/api/x", None),
            ("/", None),
        ] {
            let uri = Uri::from_static(uri);
            assert_eq!(without_prefix(&uri).map(|uri| uri.to_string()).as_deref(), expected, "{uri}");
        }
    }
}
