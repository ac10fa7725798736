//! One of several instances of a service, that can be killed, frozen, slowed
//! and made to fail while calls come in.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    Well,
    After(Duration),
    /// With a failure, as a proxy before a dead process does, after a while.
    Fails(Duration),
    /// Nothing is read, nothing is written, connections stay.
    Frozen,
}

pub(crate) struct Instance {
    pub(crate) at: SocketAddr,
    inner: Arc<Inner>,
    running: Mutex<Option<JoinSet<()>>>,
}

struct Inner {
    how: watch::Sender<How>,
    /// Calls that were read; those about health do not count.
    taken: AtomicUsize,
    under_way: AtomicUsize,
    /// The most under way at once.
    peak: AtomicUsize,
}

impl Instance {
    pub(crate) async fn start() -> Self {
        let inner = Inner {
            how: watch::Sender::new(How::Well),
            taken: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let this = Self { at, inner: Arc::new(inner), running: Mutex::new(None) };
        this.serve(listener);
        this
    }

    pub(crate) fn set(&self, how: How) {
        self.inner.how.send_replace(how);
    }

    /// Connections are reset, and nobody listens.
    pub(crate) fn kill(&self) {
        self.running.lock().unwrap().take();
    }

    /// Listens again where it did.
    pub(crate) async fn restart(&self) {
        let listener = loop {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("reusable");
            // The old listener goes with its task, in a moment.
            match socket.bind(self.at).and_then(|()| socket.listen(128)) {
                Ok(listener) => break listener,
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        };
        self.serve(listener);
    }

    pub(crate) fn taken(&self) -> usize {
        self.inner.taken.load(Ordering::SeqCst)
    }

    /// The most calls at once since this was last asked.
    pub(crate) fn peak(&self) -> usize {
        self.inner.peak.swap(self.inner.under_way.load(Ordering::SeqCst), Ordering::SeqCst)
    }

    fn serve(&self, listener: TcpListener) {
        let inner = Arc::clone(&self.inner);
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&inner)));
            }
        });
        *self.running.lock().unwrap() = Some(running);
    }
}

/// Speaks HTTP/2 to one connection; while frozen it is not even polled.
async fn serve(stream: TcpStream, inner: Arc<Inner>) {
    let mut how = inner.how.subscribe();
    let mut thaw = inner.how.subscribe();
    let _ = thaw.wait_for(|how| *how != How::Frozen).await;
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut watches = Vec::new();
    let mut calls = JoinSet::new();
    loop {
        let _ = thaw.wait_for(|how| *how != How::Frozen).await;
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                match request.uri().path() {
                    "/grpc.health.v1.Health/Watch" => watches.extend(serving(respond)),
                    "/grpc.health.v1.Health/Check" => {
                        if let Some(mut sending) = serving(respond) {
                            ended(&mut sending);
                        }
                    }
                    _ => {
                        inner.taken.fetch_add(1, Ordering::SeqCst);
                        calls.spawn(answer(respond, Arc::clone(&inner)));
                    }
                }
            }
            changed = how.changed() => if changed.is_err() { return },
        }
    }
}

async fn answer(mut respond: SendResponse<Bytes>, inner: Arc<Inner>) {
    let now = inner.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    inner.peak.fetch_max(now, Ordering::SeqCst);
    let how = *inner.how.borrow();
    match how {
        How::After(delay) | How::Fails(delay) => sleep(delay).await,
        How::Well | How::Frozen => {}
    }
    if matches!(how, How::Fails(_)) {
        let head = Response::builder().header("content-type", "application/grpc").header("grpc-status", "14");
        let _ = respond.send_response(head.body(()).expect("a head"), true);
    } else if let Ok(mut sending) = respond.send_response(head(), false) {
        let _ = sending.send_data(Bytes::from_static(&[0; 5]), false);
        ended(&mut sending);
    }
    inner.under_way.fetch_sub(1, Ordering::SeqCst);
}

/// The message that says SERVING, and what goes on after it.
fn serving(mut respond: SendResponse<Bytes>) -> Option<h2::SendStream<Bytes>> {
    let mut sending = respond.send_response(head(), false).ok()?;
    sending.send_data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]), false).ok()?;
    Some(sending)
}

fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).expect("a head")
}

fn ended(sending: &mut h2::SendStream<Bytes>) {
    let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    let _ = sending.send_trailers(status);
}
