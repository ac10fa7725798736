//! `NOTIFY_URL`: an address that the operator set in this process's own
//! settings, and so trusted with whatever network it points to. It is the one
//! address that this client ever calls; addresses that users give do not come here.
//!
//! No redirects, no proxy from the environment, a bounded answer, a deadline.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::fault::{Fault, Reason};
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Serialize;

use crate::store::Outgoing;

/// To get a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// What is read of an answer, so that its connection can serve again.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Connections that are kept for the next.
const KEPT: usize = 16;

/// Posts `{deviceId, message, id}`; 2xx is heard.
#[derive(Clone)]
pub struct HttpReceiver {
    client: Arc<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
    uri: Uri,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    device_id: &'a str,
    message: &'a str,
    id: String,
}

/// Whether a URI can be called: absolute, http or https.
pub fn is_http(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
}

// === impl HttpReceiver ===

impl HttpReceiver {
    /// The receiver at this address.
    pub fn new(uri: Uri) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(KEPT).build(connector);
        Self { client: Arc::new(client), uri }
    }

    pub(super) async fn tell(&self, notification: &Outgoing) -> Result<(), Fault> {
        let body = Body {
            device_id: &notification.device.device_id,
            message: &notification.message,
            id: notification.notification_id.to_string(),
        };
        let body = serde_json::to_vec(&body).map_err(|error| Fault::internal(&error))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| Fault::internal(&error))?;
        // The address may hold a secret: it is not part of any error.
        let away = || Fault::unavailable("the receiver of notifications");
        let (head, body) = self.client.request(request).await.map_err(|_| away())?.into_parts();
        // An answer that is too long costs its connection, nothing else.
        let _ = Limited::new(body, LONGEST_ANSWER).collect().await;
        if head.status.is_success() { Ok(()) } else { Err(refused(head.status)) }
    }
}

fn refused(status: StatusCode) -> Fault {
    Fault::new(Reason::Unavailable, format!("the receiver of notifications answered {}", status.as_u16()))
}
