//! A webhook receiver with a log of its own.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use chassis::{
    http_server::{HttpLimits, serve},
    lifecycle::Lifecycle,
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use crate::world::eventually;

/// How it answers.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// With this status.
    Status(u16),
    /// With a redirect to there.
    Redirect(String),
    /// With this status, when it is told to.
    Waiting(u16, Arc<Semaphore>),
    /// With an answer that never ends.
    Endless,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Clones share one log.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Got>>>,
    count: watch::Sender<usize>,
    mood: watch::Sender<Mood>,
    lifecycle: Arc<Mutex<Lifecycle>>,
}

/// Counts connections and answers none: whoever must not come here is noticed.
pub(crate) struct Trap {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::on("127.0.0.1:0").await
    }

    pub(crate) async fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            log: Arc::default(),
            count: watch::Sender::new(0),
            mood: watch::Sender::new(Mood::Status(200)),
            lifecycle: Arc::default(),
        };
        this.serve(listener);
        this
    }

    fn serve(&self, listener: TcpListener) {
        let app = Router::new().fallback(answer).with_state(self.clone());
        let lifecycle = self.lifecycle();
        tokio::spawn(async move { serve(listener, app, HttpLimits::default(), lifecycle).await });
    }

    /// Refuses connections, and breaks those that it has.
    pub(crate) async fn down(&self) {
        self.lifecycle().abort();
        let address = self.address;
        eventually("nobody listens", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    }

    /// Is back at the same address.
    pub(crate) async fn up(&self) {
        *self.lifecycle.lock().unwrap_or_else(PoisonError::into_inner) = Lifecycle::new();
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// A timer's address here.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn log(&self) -> Vec<Got> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// The different ids that came.
    pub(crate) fn ids(&self) -> HashSet<String> {
        self.log().iter().map(|got| got.header("webhook-id").to_owned()).collect()
    }

    /// Waits until this many requests have come, 40 seconds at most.
    pub(crate) async fn until(&self, count: usize) {
        let mut seen = self.count.subscribe();
        let waiting = seen.wait_for(|seen| *seen >= count);
        let in_time = tokio::time::timeout(Duration::from_secs(40), waiting).await.is_ok();
        assert!(in_time, "waited for {count} requests, {} came", self.count());
    }

    fn lifecycle(&self) -> Lifecycle {
        self.lifecycle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    receiver.log.lock().unwrap_or_else(PoisonError::into_inner).push(Got { path, headers, body });
    let mood = receiver.mood.borrow().clone();
    receiver.count.send_modify(|count| *count += 1);
    let status = |status| StatusCode::from_u16(status).unwrap();
    match mood {
        Mood::Status(code) => status(code).into_response(),
        Mood::Redirect(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Mood::Waiting(code, told) => {
            told.acquire().await.unwrap().forget();
            status(code).into_response()
        }
        Mood::Endless => {
            let chunk = std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 8192])));
            axum::body::Body::from_stream(futures::stream::iter(chunk)).into_response()
        }
    }
}

impl Trap {
    pub(crate) async fn set(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let _ = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
