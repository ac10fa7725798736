//! One address of a service: a connection that is made when it is needed, and
//! unary exchanges over it.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use chassis::{rpc, tls::Way};
use futures::{FutureExt as _, future::BoxFuture};
use h2::{RecvStream, client::SendRequest};
use http::{
    HeaderMap, Request, Response, Uri, request,
    uri::{Authority, Scheme},
};
use http_body::{Body, Frame};
use tokio::sync::Mutex as AsyncMutex;
use tonic::Status;

use super::{
    connection,
    failure::Failure,
    health,
    pool::{Health, Place},
};

/// A page of 1,000 events with long descriptions fits, and 50,000 of the usual ones.
const MAX_ANSWER_BYTES: usize = 96 * 1024 * 1024;

/// An address, and the connection to it if there is one.
pub(crate) struct Endpoint {
    authority: Authority,
    way: Way,
    sender: Mutex<Option<SendRequest<Bytes>>>,
    /// Held by the one who connects; the others wait for what comes of it.
    connecting: AsyncMutex<()>,
}

/// A whole answer: its messages, and what stood after them.
pub(super) struct Whole {
    messages: Bytes,
    trailers: Option<HeaderMap>,
}

// === impl Endpoint ===

impl Endpoint {
    /// Sends one request, its message whole, and reads all of the answer.
    pub(super) async fn exchange(
        &self,
        head: request::Parts,
        message: Bytes,
    ) -> Result<Response<Whole>, Failure> {
        let (head, body) = self.open(head, message).await?.into_parts();
        Ok(Response::from_parts(head, read(body).await?))
    }

    /// Sends one request, its message whole, and reads the head of the answer.
    pub(super) async fn open(
        &self,
        head: request::Parts,
        message: Bytes,
    ) -> Result<Response<RecvStream>, Failure> {
        let mut sender = self.ready().await?;
        let request = self.addressed(head)?;
        let (answer, mut sending) =
            sender.send_request(request, false).map_err(|error| Failure::of_stream(&error))?;
        sending.send_data(message, true).map_err(|error| Failure::of_stream(&error))?;
        answer.await.map_err(|error| Failure::of_stream(&error))
    }

    /// Whether there is a connection that takes requests.
    pub(super) async fn is_connected(&self) -> bool {
        match self.connected() {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        }
    }

    /// A connection that takes a request now.
    async fn ready(&self) -> Result<SendRequest<Bytes>, Failure> {
        // An error: the connection ended, or its peer goes away.
        if let Some(sender) = self.connected()
            && let Ok(sender) = sender.ready().await
        {
            return Ok(sender);
        }
        let _turn = self.connecting.lock().await;
        if let Some(sender) = self.connected()
            && let Ok(sender) = sender.ready().await
        {
            return Ok(sender);
        }
        let sender = connection::connect(&self.authority, &self.way).await.map_err(|error| {
            tracing::debug!(%error, instance = %self.authority, "an instance cannot be reached");
            Failure::Unreached
        })?;
        *self.slot() = Some(sender.clone());
        sender.ready().await.map_err(|_| Failure::NotTaken)
    }

    fn connected(&self) -> Option<SendRequest<Bytes>> {
        self.slot().clone()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<SendRequest<Bytes>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request with our scheme and authority, as HTTP/2 wants them.
    fn addressed(&self, head: request::Parts) -> Result<Request<()>, Failure> {
        let mut uri = head.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.authority.clone());
        let mut request = Request::new(());
        *request.method_mut() = head.method;
        *request.headers_mut() = head.headers;
        choose_for_the_table(request.headers_mut());
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Failure::NotTaken)?;
        *request.version_mut() = http::Version::HTTP_2;
        Ok(request)
    }
}

impl Place for Endpoint {
    fn at(authority: &Authority, way: &Way) -> Self {
        Self {
            authority: authority.clone(),
            way: way.clone(),
            sender: Mutex::new(None),
            connecting: AsyncMutex::new(()),
        }
    }

    fn watch<'a>(&'a self, report: &'a (dyn Fn(Health) + Send + Sync)) -> BoxFuture<'a, ()> {
        health::watch(self, report).boxed()
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        health::answers(self).boxed()
    }
}

/// What HPACK keeps in the connection's table: the token, which comes again with
/// every call of its session; not the request's id, which never does and would push
/// the tokens out. Its 4 KiB hold nine of them.
fn choose_for_the_table(headers: &mut HeaderMap) {
    if let Some(token) = headers.get_mut(rpc::TOKEN) {
        token.set_sensitive(false);
    }
    if let Some(id) = headers.get_mut(rpc::REQUEST_ID) {
        id.set_sensitive(true);
    }
}

async fn read(mut body: RecvStream) -> Result<Whole, Failure> {
    let broken = |error: h2::Error| Failure::of_stream(&error);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
        let data = data.map_err(broken)?;
        body.flow_control().release_capacity(data.len()).map_err(broken)?;
        // Most answers are one frame, which is then not copied.
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        if rest.len() > MAX_ANSWER_BYTES {
            tracing::error!("an answer of a service is over its bound");
            return Err(Failure::BrokeOff);
        }
    }
    let trailers = body.trailers().await.map_err(broken)?;
    let messages = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Whole { messages, trailers })
}

// === impl Whole ===

impl Whole {
    /// What stood after the messages; none where there were none.
    pub(super) const fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.messages.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.messages)))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }
}
