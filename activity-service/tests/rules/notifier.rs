//! notification-service as the rules lane sees it, over real gRPC.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chassis::{fault::Fault, service_token::ServiceToken};
use proto::notification::v1::{
    NotifyAccountRequest, NotifyResponse,
    notifier_service_server::{NotifierService, NotifierServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// What it does with a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Hears it.
    Willing,
    /// Refuses without hearing it.
    Down,
    /// Hears it and says that it did not.
    Deaf,
    /// Says that it heard it and did not: a broken peer, to see that the checks notice.
    Lying,
}

/// The double; clones share one book.
#[derive(Clone)]
pub(crate) struct Notifier {
    pub(crate) token: ServiceToken,
    book: Arc<Mutex<Book>>,
}

struct Book {
    mood: Mood,
    calls: usize,
    heard: Vec<NotifyAccountRequest>,
    ids: HashSet<String>,
}

impl Notifier {
    /// Serves on a port of its own; answers where.
    pub(crate) async fn start() -> (Self, String) {
        let book = Book { mood: Mood::Willing, calls: 0, heard: Vec::new(), ids: HashSet::new() };
        let this = Self { token: ServiceToken::random(), book: Arc::new(Mutex::new(book)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(NotifierServiceServer::new(this.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (this, format!("http://{address}"))
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.book().mood = mood;
    }

    /// Calls so far, whatever became of them.
    pub(crate) fn calls(&self) -> usize {
        self.book().calls
    }

    /// What was heard, each id once, in order.
    pub(crate) fn heard(&self) -> Vec<NotifyAccountRequest> {
        self.book().heard.clone()
    }

    /// The words that a device heard, in order.
    pub(crate) fn words(&self, device_id: &str) -> Vec<String> {
        let heard = self.heard().into_iter().filter(|heard| heard.device_id == device_id);
        heard.map(|heard| heard.message).collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl NotifierService for Notifier {
    async fn notify_account(
        &self,
        request: Request<NotifyAccountRequest>,
    ) -> Result<Response<NotifyResponse>, Status> {
        self.token.admit(&request)?;
        let request = request.into_inner();
        let notification_id = request.id.clone();
        let mut book = self.book();
        book.calls += 1;
        if matches!(book.mood, Mood::Willing | Mood::Deaf) && book.ids.insert(request.id.clone()) {
            book.heard.push(request);
        }
        match book.mood {
            Mood::Willing | Mood::Lying => Ok(Response::new(NotifyResponse { notification_id })),
            Mood::Down | Mood::Deaf => Err(Fault::unavailable("notification-service").into()),
        }
    }
}
