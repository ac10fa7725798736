//! calendar-service's DeliveryService, in memory, over real gRPC.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chassis::fault::{Fault, Reason};
use proto::calendar::v1::{
    DeliverEventReminderRequest, DeliverNotificationRequest, DeliverResponse,
    DeliverScheduledReminderRequest, FindPeerRequest, FindPeerResponse,
    delivery_service_server::{DeliveryService, DeliveryServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) notifications: Vec<DeliverNotificationRequest>,
    pub(crate) event_reminders: Vec<DeliverEventReminderRequest>,
    pub(crate) scheduled: Vec<DeliverScheduledReminderRequest>,
    /// Who shares a calendar with everybody.
    pub(crate) peers: HashMap<String, Uuid>,
    /// What every delivery is refused with.
    pub(crate) refusal: Option<Reason>,
    /// Calls, refused ones too.
    pub(crate) calls: usize,
}

/// The double; clones share one book.
#[derive(Clone, Default)]
pub(crate) struct CalendarDouble {
    book: Arc<Mutex<Book>>,
}

impl CalendarDouble {
    /// Serves on a port of its own; answers where.
    pub(crate) async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(DeliveryServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        format!("http://{address}")
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Book)) -> Result<Response<DeliverResponse>, Status> {
        let mut book = self.book();
        book.calls += 1;
        if let Some(reason) = book.refusal {
            return Err(Fault::of(reason).into());
        }
        note(&mut book);
        Ok(Response::new(DeliverResponse {}))
    }
}

#[tonic::async_trait]
impl DeliveryService for CalendarDouble {
    async fn deliver_notification(
        &self,
        request: Request<DeliverNotificationRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        self.note(|book| book.notifications.push(request.into_inner()))
    }

    async fn deliver_event_reminder(
        &self,
        request: Request<DeliverEventReminderRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        self.note(|book| book.event_reminders.push(request.into_inner()))
    }

    async fn deliver_scheduled_reminder(
        &self,
        request: Request<DeliverScheduledReminderRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        self.note(|book| book.scheduled.push(request.into_inner()))
    }

    async fn find_peer(
        &self,
        request: Request<FindPeerRequest>,
    ) -> Result<Response<FindPeerResponse>, Status> {
        let found = self.book().peers.get(&request.get_ref().username).copied();
        let account_id = found.ok_or_else(|| Fault::of(Reason::NotFound))?.to_string();
        Ok(Response::new(FindPeerResponse { account_id }))
    }
}
