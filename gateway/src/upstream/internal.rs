//! Calls to internal methods: what the gateway itself wants to know.

use std::time::Duration;

use chassis::{
    fault::{Fault, Reason},
    tokens::KeySource,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use proto::{
    auth::v1::{
        AuthenticateRequest, FindAccountRequest, JwksRequest, ListEndedSessionsRequest, RedeemTicketRequest,
        RedeemTicketResponse,
    },
    calendar::v1::{CloseTunnelsRequest, tunnel_service_client::TunnelServiceClient},
    notification::v1::NotifyAccountRequest,
};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::Upstream;
use crate::session_cache::Standing;

impl Upstream {
    /// Whether a session is live, by who knows.
    pub async fn session_standing(&self, session: Uuid) -> Result<Standing, Fault> {
        let request = self.internal(AuthenticateRequest { session_id: session.to_string() });
        let answer =
            self.sessions().authenticate(request).await.map_err(|status| fault(&status))?.into_inner();
        if !answer.active {
            return Ok(Standing::Ended);
        }
        let account = answer.account_id.parse().map_err(|error: uuid::Error| Fault::internal(&error))?;
        Ok(Standing::Live { account })
    }

    /// The sessions that ended within this time.
    pub async fn ended_sessions(&self, within: Duration) -> Result<Vec<Uuid>, Fault> {
        let request = self.internal(ListEndedSessionsRequest { within_ms: within.as_millis() as u64 });
        let answer = self.sessions().list_ended_sessions(request).await.map_err(|status| fault(&status))?;
        Ok(answer.into_inner().session_ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Redeems a WebSocket ticket, once; answers a token of its session.
    pub async fn redeem_ticket(&self, ticket: String) -> Result<RedeemTicketResponse, Fault> {
        let request = self.internal(RedeemTicketRequest { ticket });
        match self.sessions().redeem_ticket(request).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) if is_ours_to_hear(&status) => Err(Fault::of(Reason::Unauthenticated)),
            Err(status) => Err(fault(&status)),
        }
    }

    /// Asks every instance of calendar-service to say goodbye on its sockets that
    /// came through this gateway; answers how many there were. An instance that
    /// cannot be asked does not keep the others from it.
    pub async fn close_tunnels(&self, gateway_id: &str) -> u32 {
        let asked = self.tunnels().into_iter().map(|instance| async move {
            let request = self.internal(CloseTunnelsRequest { gateway_id: gateway_id.to_owned() });
            let at = instance.authority().clone();
            match TunnelServiceClient::new(instance).close_tunnels(request).await {
                Ok(answer) => answer.into_inner().closed,
                Err(status) => {
                    tracing::warn!(instance = %at, error = %fault(&status), "cannot have the sockets told");
                    0
                }
            }
        });
        join_all(asked).await.into_iter().sum()
    }

    /// The account with this username; none when there is none.
    pub async fn find_account(&self, username: String) -> Result<Option<String>, Fault> {
        let request = self.internal(FindAccountRequest { username });
        let answer = self.directory().find_account(request).await.map_err(|status| fault(&status))?;
        Ok(Some(answer.into_inner().account_id).filter(|id| !id.is_empty()))
    }

    /// Notifies an account, whoever asks; answers the notification's id.
    pub async fn notify_account(&self, message: NotifyAccountRequest) -> Result<String, Fault> {
        let request = self.internal(message);
        let answer = self.notifier().notify_account(request).await.map_err(|status| fault(&status))?;
        Ok(answer.into_inner().notification_id)
    }

    fn internal<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.token.attach(request.metadata_mut());
        if let Some(id) = chassis::rpc::current_request_id().and_then(|id| id.parse().ok()) {
            request.metadata_mut().insert(chassis::rpc::REQUEST_ID, id);
        }
        request
    }
}

/// A refusal of the ticket, as against one of our service token: ours carries
/// the reason of the contract in its details.
fn is_ours_to_hear(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::InvalidArgument)
        || Fault::from_status(status).reason == Reason::Unauthenticated
}

/// A service that refuses our service token is a mistake of the operator's, not
/// of the caller's: it must not look like a 401.
fn fault(status: &Status) -> Fault {
    let fault = Fault::from_status(status);
    if fault.reason == Reason::Unauthenticated || status.code() == Code::PermissionDenied {
        tracing::error!(
            message = status.message(),
            "a service refuses this gateway: its service token, or its certificate"
        );
        return Fault::unavailable("a service");
    }
    fault
}

impl KeySource for Upstream {
    fn fetch(&self) -> BoxFuture<'_, Result<String, Fault>> {
        async {
            let answer = self.auth().jwks(JwksRequest {}).await;
            answer.map(|keys| keys.into_inner().jwks_json).map_err(|status| Fault::from_status(&status))
        }
        .boxed()
    }
}
