//! `auth.v1.SessionService`: for the other services.

use std::time::Duration;

use chassis::{rpc::answer, service_token::ServiceToken};
use proto::auth::v1::{
    AuthenticateRequest, AuthenticateResponse, CheckSessionsRequest, CheckSessionsResponse, EndedSessions,
    ListEndedSessionsRequest, RedeemTicketRequest, RedeemTicketResponse,
    session_service_server::{SessionService, SessionServiceServer},
};
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use super::ended;
use crate::{authentication::Authentication, model::LiveSession, ticket::Tickets};

type Answer<T> = Result<Response<T>, Status>;

/// The service's use-cases.
#[derive(Clone)]
pub(crate) struct SessionRpc {
    pub(crate) token: ServiceToken,
    pub(crate) authentication: Authentication,
    pub(crate) tickets: Tickets,
}

// === impl SessionRpc ===

impl SessionRpc {
    pub(crate) fn into_server(self) -> SessionServiceServer<Self> {
        SessionServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl SessionService for SessionRpc {
    async fn authenticate(&self, request: Request<AuthenticateRequest>) -> Answer<AuthenticateResponse> {
        answer(async {
            self.token.admit(&request)?;
            let session = self.authentication.authenticate(&request.into_inner().session_id).await?;
            Ok(session.map(active).unwrap_or_default())
        })
        .await
    }

    async fn check_sessions(&self, request: Request<CheckSessionsRequest>) -> Answer<CheckSessionsResponse> {
        answer(async {
            self.token.admit(&request)?;
            let ids = request.into_inner().session_ids;
            let ended_session_ids = self.authentication.ended_among(ids).await?;
            Ok(CheckSessionsResponse { ended_session_ids })
        })
        .await
    }

    async fn list_ended_sessions(&self, request: Request<ListEndedSessionsRequest>) -> Answer<EndedSessions> {
        answer(async {
            self.token.admit(&request)?;
            let window = Duration::from_millis(request.into_inner().within_ms);
            Ok(ended(&self.authentication.ended_within(window).await?))
        })
        .await
    }

    async fn redeem_ticket(&self, request: Request<RedeemTicketRequest>) -> Answer<RedeemTicketResponse> {
        answer(async {
            self.token.admit(&request)?;
            let (session, token) = self.tickets.redeem(&request.into_inner().ticket).await?;
            Ok(RedeemTicketResponse {
                token: token.expose_secret().to_owned(),
                account_id: session.account_id.to_string(),
                username: session.username,
                session_id: session.session_id.to_string(),
            })
        })
        .await
    }
}

fn active(session: LiveSession) -> AuthenticateResponse {
    let left = session.expires_at.duration_since(session.now);
    AuthenticateResponse {
        active: true,
        account_id: session.account_id.to_string(),
        username: session.username,
        // Rounded up: a live session never looks expired.
        expires_in: left.as_secs().unsigned_abs() + 1,
    }
}
