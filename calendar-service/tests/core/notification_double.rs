//! notification-service's ReminderService, in memory, over real gRPC.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chassis::{
    fault::{Fault, Reason},
    idempotency::wire,
};
use proto::notification::v1::{
    ScheduleReminderRequest, ScheduledReminder, SetEventRemindersRequest, SetEventRemindersResponse,
    reminder_service_server::{ReminderService, ReminderServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use uuid::Uuid;

/// What it knows of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) revision: i64,
    pub(crate) starts_at: String,
    pub(crate) minutes: Vec<u32>,
}

#[derive(Default)]
struct Book {
    events: HashMap<Uuid, Known>,
    /// Every word, in the order of receipt: the event and the revision.
    words: Vec<(Uuid, i64)>,
    scheduled: Vec<ScheduleReminderRequest>,
    /// By idempotency key: the first request and its answer.
    answers: HashMap<String, (ScheduleReminderRequest, ScheduledReminder)>,
    away: bool,
}

/// The double; clones share one book.
#[derive(Clone, Default)]
pub(crate) struct NotificationDouble {
    book: Arc<Mutex<Book>>,
}

impl NotificationDouble {
    /// Serves on a port of its own; answers where.
    pub(crate) async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(ReminderServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        format!("http://{address}")
    }

    /// From now on it answers nothing but that it is not there, or it is back.
    pub(crate) fn away(&self, away: bool) {
        self.book().away = away;
    }

    /// What it knows of an event; none: never heard of it.
    pub(crate) fn known(&self, event_id: Uuid) -> Option<Known> {
        self.book().events.get(&event_id).cloned()
    }

    /// The revisions of an event, in the order of receipt.
    pub(crate) fn revisions(&self, event_id: Uuid) -> Vec<i64> {
        let book = self.book();
        book.words.iter().filter(|(event, _)| *event == event_id).map(|(_, revision)| *revision).collect()
    }

    /// What was scheduled.
    pub(crate) fn scheduled(&self) -> Vec<ScheduleReminderRequest> {
        self.book().scheduled.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl ReminderService for NotificationDouble {
    async fn set_event_reminders(
        &self,
        request: Request<SetEventRemindersRequest>,
    ) -> Result<Response<SetEventRemindersResponse>, Status> {
        let request = request.into_inner();
        let event_id = request.event_id.parse().unwrap();
        let mut book = self.book();
        book.words.push((event_id, request.revision));
        if book.away {
            return Err(Fault::unavailable("the double").into());
        }
        let known = book.events.entry(event_id).or_default();
        if request.revision > known.revision {
            let SetEventRemindersRequest { revision, starts_at, minutes, .. } = request;
            *known = Known { revision, starts_at, minutes };
        }
        Ok(Response::new(SetEventRemindersResponse {}))
    }

    /// Refuses what has no name, and schedules everything else for one instant.
    async fn schedule_reminder(
        &self,
        request: Request<ScheduleReminderRequest>,
    ) -> Result<Response<ScheduledReminder>, Status> {
        let request = request.into_inner();
        let mut book = self.book();
        if book.away {
            return Err(Fault::unavailable("the double").into());
        }
        if request.name.is_empty() {
            return Err(Fault::new(Reason::Invalid, "'eventName' is required").into());
        }
        if let Some((first, answer)) = book.answers.get(&request.idempotency_key) {
            if *first != request {
                return Err(Fault::of(Reason::IdempotencyMismatch).into());
            }
            let mut again = Response::new(answer.clone());
            again.metadata_mut().insert(wire::REPLAYED, "true".parse().unwrap());
            return Ok(again);
        }
        let scheduled = ScheduledReminder {
            reminder_id: Uuid::now_v7().to_string(),
            name: request.name.clone(),
            time: "2030-05-01T16:00:00.000Z".to_owned(),
        };
        if !request.idempotency_key.is_empty() {
            book.answers.insert(request.idempotency_key.clone(), (request.clone(), scheduled.clone()));
        }
        book.scheduled.push(request);
        Ok(Response::new(scheduled))
    }
}
