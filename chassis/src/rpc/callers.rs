//! Who may call what, where callers show certificates.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures::future::Either;
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::tls::PeerNames;

/// The services that may call: `package.Service`, or `package.Service/Method`
/// for a method that differs from its service and stands before it. What is not
/// listed nobody may call.
pub type Callers = &'static [(&'static str, &'static [&'static str])];

/// What everybody with a certificate may ask.
const OPEN: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// In the extensions of a request whose caller has shown a certificate that
/// may call its method: it needs no service token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vouched;

/// Puts [`Guarded`] around a gRPC server.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallersLayer {
    pub(super) callers: Callers,
    /// Whether callers must show a certificate.
    pub(super) mutual: bool,
}

/// A gRPC server that looks at its callers' certificates.
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    callers: Callers,
    mutual: bool,
}

impl<S> Layer<S> for CallersLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, callers: self.callers, mutual: self.mutual }
    }
}

impl<S, A> Service<Request<A>> for Guarded<S>
where
    S: Service<Request<A>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // Without TLS there are no names, and internal methods want the service token.
        if self.mutual {
            let names = request.extensions().get::<Option<PeerNames>>().and_then(Option::as_ref);
            if !names.is_some_and(|names| may_call(self.callers, request.uri().path(), names)) {
                // One of the operator's own certificates: a mistake in the table, or a stolen one.
                tracing::error!(?names, method = request.uri().path(), "a caller may not call this method");
                let refusal = Status::permission_denied("this certificate may not call this method");
                return Either::Right(ready(Ok(refusal.into_http())));
            }
            request.extensions_mut().insert(Vouched);
        }
        Either::Left(self.inner.call(request))
    }
}

fn may_call(callers: Callers, path: &str, names: &PeerNames) -> bool {
    let method = path.trim_start_matches('/');
    let service = method.split('/').next().unwrap_or_default();
    let line = callers.iter().find(|(what, _)| *what == method || *what == service);
    OPEN.contains(&service) || line.is_some_and(|(_, allowed)| names.any_of(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLERS: Callers = &[
        ("auth.v1.AuthService/Jwks", &["gateway", "calendar"]),
        ("auth.v1.AuthService", &["gateway"]),
        ("auth.v1.ParticipantService", &["calendar"]),
    ];

    #[test]
    fn a_method_is_open_to_those_that_its_first_line_names() {
        for (name, path, may) in [
            ("gateway", "/auth.v1.AuthService/Login", true),
            ("calendar", "/auth.v1.AuthService/Login", false),
            ("calendar", "/auth.v1.AuthService/Jwks", true),
            ("calendar", "/auth.v1.ParticipantService/Set", true),
            ("gateway", "/auth.v1.ParticipantService/Set", false),
            ("gateway", "/auth.v1.ParticipantServiceX/Set", false),
            ("gateway", "/auth.v1.SessionService/Authenticate", false),
            ("gateway", "/", false),
            ("anybody", "/grpc.health.v1.Health/Check", true),
        ] {
            let names = PeerNames::of(&[name]);
            assert_eq!(may_call(CALLERS, path, &names), may, "{name} {path}");
        }
        assert!(
            !may_call(CALLERS, "/auth.v1.AuthService/Login", &PeerNames::of(&[])),
            "a certificate without a name"
        );
    }
}
