//! Watches the health of an instance over the connection that its calls take:
//! a killed one is known at once, before anybody's call finds out.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use chassis::backoff::Backoff;
use h2::RecvStream;
use http::{HeaderValue, Method, Request, header, request};
use prost::Message as _;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic_health::pb::{HealthCheckResponse, health_check_response::ServingStatus};

use super::{endpoint::Endpoint, pipe::grpc_status, pool::Health};

const WATCH: &str = "/grpc.health.v1.Health/Watch";
const CHECK: &str = "/grpc.health.v1.Health/Check";
/// An empty request, which asks for the whole process: a message of no bytes.
const THE_PROCESS: Bytes = Bytes::from_static(&[0; 5]);
/// For the first word.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks at the connection of one that knows no health.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A word is a few bytes.
const MOST: usize = 1024;

/// Watches for ever.
pub(super) async fn watch(endpoint: &Endpoint, report: &(dyn Fn(Health) + Send + Sync)) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(500));
    loop {
        if follow(endpoint, report).await {
            // The connection has ended: perhaps the next one is made at once.
            report(Health::Unknown);
            backoff.reset();
        } else {
            report(Health::Unreachable);
            let wait = backoff.next_delay(&mut rand::rng());
            sleep(wait).await;
        }
    }
}

/// Whether it answers now, over whichever connection.
pub(super) async fn answers(endpoint: &Endpoint) -> bool {
    matches!(timeout(ANSWER_WITHIN, endpoint.open(head(CHECK), THE_PROCESS)).await, Ok(Ok(_)))
}

/// Reports until the connection ends; false when there was none.
async fn follow(endpoint: &Endpoint, report: &(dyn Fn(Health) + Send + Sync)) -> bool {
    let opened = timeout(ANSWER_WITHIN, endpoint.open(head(WATCH), THE_PROCESS)).await;
    let Ok(Ok(answer)) = opened else { return false };
    if let Some(code) = grpc_status(answer.headers()) {
        // Where it knows no health, that it answers is what there is to know.
        let serves = code == Code::Unimplemented;
        report(if serves { Health::Serving } else { Health::NotServing });
        while endpoint.is_connected().await {
            sleep(LOOK_EVERY).await;
        }
        return true;
    }
    let mut words = Words { stream: answer.into_body(), read: BytesMut::new() };
    let Ok(first) = timeout(ANSWER_WITHIN, words.next()).await else { return false };
    let mut word = first;
    while let Some(health) = word {
        report(health);
        word = words.next().await;
    }
    true
}

fn head(path: &'static str) -> request::Parts {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    request.into_parts().0
}

/// The messages of a stream.
struct Words {
    stream: RecvStream,
    read: BytesMut,
}

// === impl Words ===

impl Words {
    /// The next one; none at the end, or when it is not one.
    async fn next(&mut self) -> Option<Health> {
        loop {
            if let Some(length) = self.read.get(1..5) {
                let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
                if length > MOST {
                    return None;
                }
                if self.read.len() >= 5 + length {
                    let mut message = self.read.split_to(5 + length);
                    message.advance(5);
                    let status = HealthCheckResponse::decode(message).ok()?.status();
                    let serves = status == ServingStatus::Serving;
                    return Some(if serves { Health::Serving } else { Health::NotServing });
                }
            }
            let data = std::future::poll_fn(|cx| self.stream.poll_data(cx)).await?.ok()?;
            self.stream.flow_control().release_capacity(data.len()).ok()?;
            self.read.extend_from_slice(&data);
        }
    }
}
