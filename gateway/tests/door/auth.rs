//! auth-service as the gateway sees it: sessions that live and end, with
//! switches for its bad days.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    fault::{Fault, Reason},
    service_token::ServiceToken,
};
use proto::auth::v1::{
    self as pb, auth_service_server::AuthService, directory_service_server::DirectoryService,
    session_service_server::SessionService,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::signer::{Person, Signer};

/// How it answers whether a session is live.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Mood {
    Well,
    Unavailable,
    Hangs,
}

pub(crate) struct Auth {
    pub(crate) signer: Signer,
    pub(crate) token: ServiceToken,
    /// Sessions, whose they are, and whether they are live.
    sessions: Mutex<HashMap<Uuid, (Uuid, bool)>>,
    /// Whether the feed tells who ended.
    pub(crate) feed: AtomicU8,
    mood: AtomicU8,
    pub(crate) asked: AtomicU32,
    tickets: Mutex<HashMap<String, Person>>,
    names: Mutex<HashMap<String, Uuid>>,
}

impl Auth {
    pub(crate) fn new(token: ServiceToken) -> Arc<Self> {
        Arc::new(Self {
            signer: Signer::new(),
            token,
            sessions: Mutex::default(),
            feed: AtomicU8::new(1),
            mood: AtomicU8::new(Mood::Well as u8),
            asked: AtomicU32::new(0),
            tickets: Mutex::default(),
            names: Mutex::default(),
        })
    }

    /// Logs somebody in.
    pub(crate) fn person(&self) -> Person {
        let (account, session) = (Uuid::now_v7(), Uuid::now_v7());
        self.sessions.lock().unwrap().insert(session, (account, true));
        Person { account, session, token: self.signer.token(account, session, 3600) }
    }

    /// An account with this name.
    pub(crate) fn named(&self, name: &str) -> Uuid {
        *self.names.lock().unwrap().entry(name.to_owned()).or_insert_with(Uuid::now_v7)
    }

    /// Ends a session behind every gateway's back.
    pub(crate) fn end(&self, session: Uuid) {
        self.sessions.lock().unwrap().get_mut(&session).unwrap().1 = false;
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    pub(crate) fn ticket(&self, person: &Person) -> String {
        let ticket = Uuid::now_v7().to_string();
        self.tickets.lock().unwrap().insert(ticket.clone(), person.clone());
        ticket
    }

    /// Whose token a request carries, by its session.
    fn caller<T>(request: &Request<T>) -> Result<Uuid, Status> {
        let token = request.metadata().get(chassis::rpc::TOKEN).and_then(|value| value.to_str().ok());
        let claims =
            token.and_then(|token| token.split('.').nth(1)).ok_or(Fault::of(Reason::Unauthenticated))?;
        let json = URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: chassis::tokens::Claims = serde_json::from_slice(&json).unwrap();
        Ok(claims.sid)
    }
}

fn unasked<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not in this play"))
}

#[tonic::async_trait]
impl AuthService for Auth {
    async fn jwks(&self, _: Request<pb::JwksRequest>) -> Result<Response<pb::JwksResponse>, Status> {
        Ok(Response::new(pb::JwksResponse { jwks_json: self.signer.jwks() }))
    }

    async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::EndedSessions>, Status> {
        let session = Self::caller(&request)?;
        self.end(session);
        Ok(Response::new(pb::EndedSessions { session_ids: vec![session.to_string()] }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let seen = request.get_ref();
        let fault = Fault::new(Reason::InvalidCredentials, format!("seen {}", seen.client_address));
        Err(fault.into())
    }

    async fn status(&self, _: Request<pb::StatusRequest>) -> Result<Response<pb::StatusResponse>, Status> {
        Ok(Response::new(pb::StatusResponse {}))
    }

    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let seen = |name: &str| request.metadata().get(name).map_or("none", |value| value.to_str().unwrap());
        let text = format!("key {} of {}", seen("idempotency-key"), seen("idempotency-visitor"));
        Err(Fault::new(Reason::UsernameTaken, text).into())
    }

    async fn list_sessions(
        &self,
        _: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        Ok(Response::new(pb::ListSessionsResponse::default()))
    }

    async fn end_session(
        &self,
        _: Request<pb::EndSessionRequest>,
    ) -> Result<Response<pb::EndedSessions>, Status> {
        unasked()
    }

    async fn change_password(
        &self,
        _: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::EndedSessions>, Status> {
        unasked()
    }

    async fn delete_account(
        &self,
        _: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::EndedSessions>, Status> {
        unasked()
    }

    async fn issue_ticket(
        &self,
        _: Request<pb::IssueTicketRequest>,
    ) -> Result<Response<pb::IssueTicketResponse>, Status> {
        unasked()
    }
}

#[tonic::async_trait]
impl SessionService for Auth {
    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        self.token.admit(&request)?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.mood.load(Ordering::SeqCst) {
            mood if mood == Mood::Unavailable as u8 => return Err(Fault::unavailable("database").into()),
            mood if mood == Mood::Hangs as u8 => std::future::pending().await,
            _ => {}
        }
        let session = request.get_ref().session_id.parse().unwrap();
        let known = self.sessions.lock().unwrap().get(&session).copied();
        Ok(Response::new(match known {
            Some((account, true)) => pb::AuthenticateResponse {
                active: true,
                account_id: account.to_string(),
                username: "ann".into(),
                expires_in: 3600,
            },
            _ => pb::AuthenticateResponse::default(),
        }))
    }

    async fn list_ended_sessions(
        &self,
        request: Request<pb::ListEndedSessionsRequest>,
    ) -> Result<Response<pb::EndedSessions>, Status> {
        self.token.admit(&request)?;
        if self.feed.load(Ordering::SeqCst) == 0 {
            return Err(Status::unavailable("no feed today"));
        }
        let sessions = self.sessions.lock().unwrap();
        let ended = sessions.iter().filter(|(_, (_, live))| !live).map(|(id, _)| id.to_string());
        Ok(Response::new(pb::EndedSessions { session_ids: ended.collect() }))
    }

    async fn redeem_ticket(
        &self,
        request: Request<pb::RedeemTicketRequest>,
    ) -> Result<Response<pb::RedeemTicketResponse>, Status> {
        self.token.admit(&request)?;
        let person = self.tickets.lock().unwrap().remove(&request.get_ref().ticket);
        let person = person.ok_or(Fault::of(Reason::Unauthenticated))?;
        Ok(Response::new(pb::RedeemTicketResponse {
            token: person.token,
            account_id: person.account.to_string(),
            username: "ann".into(),
            session_id: person.session.to_string(),
        }))
    }

    async fn check_sessions(
        &self,
        _: Request<pb::CheckSessionsRequest>,
    ) -> Result<Response<pb::CheckSessionsResponse>, Status> {
        unasked()
    }
}

#[tonic::async_trait]
impl DirectoryService for Auth {
    async fn find_account(
        &self,
        request: Request<pb::FindAccountRequest>,
    ) -> Result<Response<pb::FindAccountResponse>, Status> {
        self.token.admit(&request)?;
        let found = self.names.lock().unwrap().get(&request.get_ref().username).map(Uuid::to_string);
        Ok(Response::new(pb::FindAccountResponse { account_id: found.unwrap_or_default() }))
    }
}
