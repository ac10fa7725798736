//! One request to a webhook.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Version, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use ipnet::IpNet;
use rustls::ClientConfig;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Guard, Resolve, Target,
    connect::{Connector, Sender},
    pool::Pool,
    sign,
    target::Origin,
};
use crate::model::SigningSecrets;

/// From the first step to the last byte that we read.
const WITHIN: Duration = Duration::from_secs(10);
/// More of an answer is not read; its connection is closed then.
const ANSWER_BYTES: usize = 64 * 1024;

/// The egress client; clones share its connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    pool: Pool,
}

/// What is sent.
#[derive(Debug)]
pub struct Message<'a> {
    /// The same on every attempt.
    pub id: Uuid,
    /// Seconds since the epoch, of this attempt.
    pub timestamp: i64,
    /// JSON.
    pub body: Bytes,
    /// Who signs; nobody where the receiver knows no secret.
    pub secrets: Option<&'a SigningSecrets>,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Its name leads nowhere.
    #[error("the host's name is not known")]
    NoSuchName,
    /// It leads to an address that is not public.
    #[error("the host's address is not allowed")]
    Refused,
    /// Nobody takes the connection.
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// The certificate, or TLS itself, is not good.
    #[error("no secure connection")]
    Tls,
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke")]
    Broken,
    /// The address cannot be asked for.
    #[error("the address is not usable")]
    Unusable,
    /// Ten seconds are over.
    #[error("no answer in time")]
    Late,
}

// === impl Client ===

impl Client {
    /// A client that reaches public addresses and those `allowed`.
    pub fn new(allowed: Vec<IpNet>, resolver: Arc<dyn Resolve>, tls: Arc<ClientConfig>) -> Self {
        let connector = Connector { guard: Guard::new(allowed), resolver, tls };
        Self { shared: Arc::new(Shared { connector, pool: Pool::default() }) }
    }

    /// What it lets through.
    pub fn guard(&self) -> &Guard {
        &self.shared.connector.guard
    }

    /// Posts the message; answers the HTTP status, whatever it is.
    pub async fn post(&self, target: &Target, message: &Message<'_>) -> Result<u16, Failure> {
        timeout(WITHIN, self.exchange(target, message)).await.unwrap_or(Err(Failure::Late))
    }

    /// Closes connections that were not used for some seconds.
    pub fn close_idle(&self) {
        self.shared.pool.close_idle();
    }

    async fn exchange(&self, target: &Target, message: &Message<'_>) -> Result<u16, Failure> {
        let origin = target.origin();
        let request = || request(target, message).ok_or(Failure::Unusable);
        // A connection that waited may be closed by its other end in this moment,
        // which is nobody's failure. Whether the request got through is not known
        // then; its id makes a repeat harmless.
        if let Some(mut sender) = self.shared.pool.take(&origin)
            && let Ok(answer) = sender.send_request(request()?).await
        {
            return self.finish(origin, sender, answer).await;
        }
        let mut sender = self.shared.connector.connect(&origin).await?;
        let answer = sender.send_request(request()?).await.map_err(|_| Failure::Broken)?;
        self.finish(origin, sender, answer).await
    }

    /// Reads what there is of the answer, and keeps the connection if it may be used again.
    async fn finish(
        &self,
        origin: Origin,
        mut sender: Sender,
        answer: http::Response<Incoming>,
    ) -> Result<u16, Failure> {
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            // The status is what counts; the connection is not used again.
            let Ok(frame) = frame else { return Ok(status) };
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > ANSWER_BYTES {
                return Ok(status);
            }
        }
        if sender.ready().await.is_ok() {
            self.shared.pool.put(origin, sender);
        }
        Ok(status)
    }
}

fn request(target: &Target, message: &Message<'_>) -> Option<Request<Full<Bytes>>> {
    let Message { id, timestamp, body, secrets } = message;
    let id = id.to_string();
    let mut request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_11)
        .uri(target.uri()?)
        .header(header::HOST, target.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "shared-calendar")
        .header("webhook-timestamp", *timestamp);
    if let Some(secrets) = secrets {
        request = request.header("webhook-signature", sign(secrets, &id, *timestamp, body));
    }
    request.header("webhook-id", id).body(Full::new(body.clone())).ok()
}
