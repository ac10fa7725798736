//! `auth.v1.AuthService`: what a person may ask.

use chassis::{
    idempotency::wire::{answer_once, key, visitor},
    rpc::{Caller, answer},
};
use proto::auth::v1::{
    ChangePasswordRequest, DeleteAccountRequest, EndSessionRequest, EndedSessions, IssueTicketRequest,
    IssueTicketResponse, JwksRequest, JwksResponse, ListSessionsRequest, ListSessionsResponse, LoginRequest,
    LoginResponse, LogoutRequest, RegisterRequest, RegisterResponse, Session, StatusRequest, StatusResponse,
    auth_service_server::{AuthService, AuthServiceServer},
};
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::ended;
use crate::{
    login::{Attempt, Login},
    model::{ClientAddress, Password, SessionRow, UserAgent},
    password::Passwords,
    register::Register,
    removal::Removal,
    session::Sessions,
    signing::ring::KeyRing,
    store::Store,
    ticket::{TICKET_TTL, Tickets},
};

type Answer<T> = Result<Response<T>, Status>;

/// The service's use-cases.
#[derive(Clone)]
pub(crate) struct AccountRpc {
    pub(crate) caller: Caller,
    pub(crate) register: Register,
    pub(crate) login: Login,
    pub(crate) sessions: Sessions,
    pub(crate) passwords: Passwords,
    pub(crate) removal: Removal,
    pub(crate) tickets: Tickets,
    pub(crate) ring: KeyRing,
    pub(crate) store: Store,
}

// === impl AccountRpc ===

impl AccountRpc {
    pub(crate) fn into_server(self) -> AuthServiceServer<Self> {
        AuthServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl AuthService for AccountRpc {
    async fn register(&self, request: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        answer_once(async {
            let (metadata, _, RegisterRequest { username, password, code }) = request.into_parts();
            let key = key(&metadata)?;
            let once = (visitor(&metadata), key.as_ref());
            let registered = self.register.run(&username, &password, &code, once).await?;
            Ok(registered.map(|made| RegisterResponse {
                account_id: made.account_id.to_string(),
                username: made.username,
            }))
        })
        .await
    }

    async fn login(&self, request: Request<LoginRequest>) -> Answer<LoginResponse> {
        answer(async {
            let request = request.into_inner();
            let attempt = Attempt {
                password: Password::claimed(&request.password),
                user_agent: UserAgent::new(&request.user_agent),
                client: ClientAddress::parse(&request.client_address),
                username: request.username,
            };
            let logged_in = self.login.run(&attempt).await?;
            Ok(LoginResponse {
                token: logged_in.token.expose_secret().to_owned(),
                username: logged_in.username,
                expires_at: seconds(logged_in.expires_at),
                session_id: logged_in.session_id.to_string(),
            })
        })
        .await
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Answer<EndedSessions> {
        answer(async {
            let caller = self.caller.identify(&request).await?;
            Ok(ended(&self.sessions.end_own(&caller).await?))
        })
        .await
    }

    async fn list_sessions(&self, request: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        answer(async {
            let caller = self.caller.identify(&request).await?;
            let rows = self.sessions.list(&caller).await?;
            let sessions = rows.into_iter().map(|row| session(row, caller.session_id)).collect();
            Ok(ListSessionsResponse { sessions })
        })
        .await
    }

    async fn end_session(&self, request: Request<EndSessionRequest>) -> Answer<EndedSessions> {
        answer(async {
            let caller = self.caller.identify(&request).await?;
            Ok(ended(&self.sessions.end(&caller, &request.into_inner().session_id).await?))
        })
        .await
    }

    async fn change_password(&self, request: Request<ChangePasswordRequest>) -> Answer<EndedSessions> {
        answer(async {
            let caller = self.caller.identify(&request).await?;
            let ChangePasswordRequest { old_password, new_password } = request.into_inner();
            let old = Password::claimed(&old_password);
            Ok(ended(&self.passwords.change(&caller, &old, &new_password).await?))
        })
        .await
    }

    async fn delete_account(&self, request: Request<DeleteAccountRequest>) -> Answer<EndedSessions> {
        answer(async {
            let caller = self.caller.identify(&request).await?;
            let password = Password::claimed(&request.into_inner().password);
            Ok(ended(&self.removal.run(&caller, &password).await?))
        })
        .await
    }

    async fn issue_ticket(&self, request: Request<IssueTicketRequest>) -> Answer<IssueTicketResponse> {
        answer(async {
            let caller = self.caller.identify(&request).await?;
            let ticket = self.tickets.issue(&caller).await?;
            Ok(IssueTicketResponse {
                ticket: ticket.expose_secret().to_owned(),
                expires_in: TICKET_TTL.as_secs() as u32,
            })
        })
        .await
    }

    async fn jwks(&self, _request: Request<JwksRequest>) -> Answer<JwksResponse> {
        answer(async { Ok(JwksResponse { jwks_json: self.ring.jwks()? }) }).await
    }

    async fn status(&self, _request: Request<StatusRequest>) -> Answer<StatusResponse> {
        answer(async { self.store.probe().await.map(|()| StatusResponse {}) }).await
    }
}

fn session(row: SessionRow, caller: Uuid) -> Session {
    Session {
        session_id: row.session_id.to_string(),
        created_at: seconds(row.created_at),
        last_seen_at: seconds(row.last_seen_at),
        expires_at: seconds(row.expires_at),
        user_agent: row.user_agent,
        current: row.session_id == caller,
    }
}

/// RFC 3339, UTC, whole seconds: as exact as a token's own times.
fn seconds(at: jiff::Timestamp) -> String {
    format!("{at:.0}")
}
