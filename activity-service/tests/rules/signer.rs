//! auth-service as this service sees it: it answers its keys, and tokens are signed.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    clock::{Clock as _, SystemClock},
    tokens::{AUDIENCE, Claims, ISSUER, PURPOSE_ACCESS},
};
use futures::future::{Ready, ready};
use http_body_util::{BodyExt as _, Full};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use prost::Message as _;
use proto::auth::v1::JwksResponse;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{body::Body, server::NamedService, transport::Server};
use uuid::Uuid;

/// The key pair of RFC 8037, appendix A.
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const SECRET: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
/// What comes before the key in a PKCS #8 file of Ed25519.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Answers the keys whatever it is asked.
#[derive(Clone)]
struct Keys;

/// Serves keys on a port of its own; answers where.
pub(crate) async fn serve_keys() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::builder().add_service(Keys).serve_with_incoming(TcpListenerStream::new(listener)));
    format!("http://{address}")
}

/// A token of this account.
pub(crate) fn token(account: Uuid) -> String {
    let now = SystemClock.now().as_second();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: account,
        name: "ann".to_owned(),
        sid: Uuid::now_v7(),
        iat: now,
        nbf: now,
        exp: now + 3600,
        purpose: PURPOSE_ACCESS.to_owned(),
    };
    let mut der = PKCS8.to_vec();
    der.extend(URL_SAFE_NO_PAD.decode(SECRET).unwrap());
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&der)).unwrap()
}

impl NamedService for Keys {
    const NAME: &'static str = "auth.v1.AuthService";
}

impl tower::Service<http::Request<Body>> for Keys {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let key = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"one","x":"{PUBLIC}"}}]}}"#
        );
        let message = JwksResponse { jwks_json: key }.encode_to_vec();
        let mut frame = vec![0];
        frame.extend((message.len() as u32).to_be_bytes());
        frame.extend(message);
        let trailers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let body = Full::new(bytes::Bytes::from(frame)).with_trailers(ready(Some(Ok(trailers))));
        let mut response = http::Response::new(Body::new(body));
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
        ready(Ok(response))
    }
}
