//! auth-service's ParticipantService, in memory, over real gRPC.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chassis::fault::{Fault, Reason};
use proto::auth::v1::{
    ConfirmParticipantsRequest, ConfirmParticipantsResponse, ReleaseParticipantsRequest,
    ReleaseParticipantsResponse, ReserveParticipantsRequest, ReserveParticipantsResponse,
    SetParticipantsRequest, SetParticipantsResponse,
    participant_service_server::{ParticipantService, ParticipantServiceServer},
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use uuid::Uuid;

/// What a method does instead of its work.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// Its work.
    Willing,
    /// Refuses without doing it.
    Refusing(Fault),
    /// Does it and never answers.
    HangingAfter,
    /// Does it, and answers when told to.
    Waiting(Arc<Notify>),
    /// Says that it is done without doing it: a broken peer, to see that the
    /// checks notice.
    Lying,
}

/// The records of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) confirmed: bool,
    pub(crate) accounts: HashSet<Uuid>,
    pub(crate) revision: i64,
}

#[derive(Default)]
struct Book {
    events: HashMap<Uuid, Records>,
    sagas: HashMap<Uuid, Uuid>,
    released: HashSet<Uuid>,
    moods: HashMap<&'static str, Mood>,
    calls: HashMap<&'static str, u32>,
}

/// The double; clones share one book.
#[derive(Clone, Default)]
pub(crate) struct AuthDouble {
    book: Arc<Mutex<Book>>,
}

impl AuthDouble {
    /// Serves on a port of its own; answers where.
    pub(crate) async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = ParticipantServiceServer::new(self.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        format!("http://{address}")
    }

    /// From now on `method` (reserve, confirm, release, set) is in this mood.
    pub(crate) fn mood(&self, method: &'static str, mood: Mood) {
        self.book().moods.insert(method, mood);
    }

    /// The records of an event; none when there are none.
    pub(crate) fn records(&self, event_id: Uuid) -> Option<Records> {
        self.book().events.get(&event_id).filter(|records| !records.accounts.is_empty()).cloned()
    }

    /// The events that have records.
    pub(crate) fn events(&self) -> HashSet<Uuid> {
        let book = self.book();
        book.events
            .iter()
            .filter(|(_, records)| !records.accounts.is_empty())
            .map(|(event, _)| *event)
            .collect()
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &'static str) -> u32 {
        self.book().calls.get(method).copied().unwrap_or(0)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn act(
        &self,
        method: &'static str,
        work: impl FnOnce(&mut Book) -> Result<(), Fault>,
    ) -> Result<(), Status> {
        let mood = {
            let mut book = self.book();
            *book.calls.entry(method).or_default() += 1;
            book.moods.get(method).cloned().unwrap_or(Mood::Willing)
        };
        match mood {
            Mood::Willing => Ok(work(&mut self.book())?),
            Mood::Refusing(fault) => Err(fault.into()),
            Mood::Lying => Ok(()),
            Mood::Waiting(told) => {
                work(&mut self.book())?;
                told.notified().await;
                Ok(())
            }
            Mood::HangingAfter => {
                work(&mut self.book())?;
                std::future::pending().await
            }
        }
    }
}

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

fn ids(texts: &[String]) -> HashSet<Uuid> {
    texts.iter().map(|text| id(text)).collect()
}

#[tonic::async_trait]
impl ParticipantService for AuthDouble {
    async fn reserve_participants(
        &self,
        request: Request<ReserveParticipantsRequest>,
    ) -> Result<Response<ReserveParticipantsResponse>, Status> {
        let request = request.into_inner();
        let (saga, event) = (id(&request.saga_id), id(&request.event_id));
        self.act("reserve", |book| {
            if book.released.contains(&saga) {
                return Err(Fault::of(Reason::SagaReleased));
            }
            book.sagas.insert(saga, event);
            let accounts = ids(&request.account_ids);
            book.events.entry(event).or_insert(Records { confirmed: false, accounts, revision: 1 });
            Ok(())
        })
        .await?;
        Ok(Response::new(ReserveParticipantsResponse {}))
    }

    async fn confirm_participants(
        &self,
        request: Request<ConfirmParticipantsRequest>,
    ) -> Result<Response<ConfirmParticipantsResponse>, Status> {
        let event = id(&request.into_inner().event_id);
        self.act("confirm", |book| {
            if let Some(records) = book.events.get_mut(&event) {
                records.confirmed = true;
            }
            Ok(())
        })
        .await?;
        Ok(Response::new(ConfirmParticipantsResponse {}))
    }

    async fn release_participants(
        &self,
        request: Request<ReleaseParticipantsRequest>,
    ) -> Result<Response<ReleaseParticipantsResponse>, Status> {
        let request = request.into_inner();
        self.act("release", |book| {
            book.released.insert(id(&request.saga_id));
            if book.sagas.remove(&id(&request.saga_id)).is_some() {
                book.events.remove(&id(&request.event_id));
            }
            Ok(())
        })
        .await?;
        Ok(Response::new(ReleaseParticipantsResponse {}))
    }

    async fn set_participants(
        &self,
        request: Request<SetParticipantsRequest>,
    ) -> Result<Response<SetParticipantsResponse>, Status> {
        let request = request.into_inner();
        self.act("set", |book| {
            let records = book.events.entry(id(&request.event_id)).or_default();
            if request.revision > records.revision {
                *records = Records {
                    confirmed: true,
                    accounts: ids(&request.account_ids),
                    revision: request.revision,
                };
            }
            Ok(())
        })
        .await?;
        Ok(Response::new(SetParticipantsResponse {}))
    }
}
