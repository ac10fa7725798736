//! Closes the sockets of sessions that ended, with 4401.
//!
//! Twice a second auth-service is asked which sessions ended lately, with
//! windows that overlap: a missed answer is made good by the next. Every half
//! minute all sessions that have sockets here are checked in bulk, which heals
//! whatever the windows missed.

use std::{sync::Arc, time::Duration};

use chassis::{fault::Fault, rpc::outbound, service_token::ServiceToken};
use futures::{FutureExt as _, future::BoxFuture};
use proto::auth::v1::{
    AuthenticateRequest, CheckSessionsRequest, ListEndedSessionsRequest,
    session_service_client::SessionServiceClient,
};
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Status, transport::Channel};
use uuid::Uuid;

use super::{close::CloseReason, hub::Hub};

/// Between two questions about what ended lately.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How far back the question reaches: some twenty answers may be missed.
const WINDOW: Duration = Duration::from_secs(10);
/// Between two checks of every session.
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// Sessions in one check, the most auth-service takes.
const CHECK: usize = 1_000;

/// Who knows whether sessions live: auth-service.
pub trait SessionBook: Send + Sync + 'static {
    /// Whether a session is live now.
    fn is_live(&self, session_id: Uuid) -> BoxFuture<'_, Result<bool, Fault>>;
    /// Which sessions ended within this time.
    fn ended_within(&self, window: Duration) -> BoxFuture<'_, Result<Vec<Uuid>, Fault>>;
    /// Which of these, at most 1,000, are not live.
    fn ended_of(&self, session_ids: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Uuid>, Fault>>;
}

/// auth-service over gRPC.
#[derive(Clone)]
pub struct RpcSessionBook {
    client: SessionServiceClient<Channel>,
    token: ServiceToken,
}

/// Watches until the process drains.
pub(super) async fn watch(hub: Arc<Hub>, book: Arc<dyn SessionBook>) {
    let mut ask = interval(ASK_EVERY);
    let mut check = interval(CHECK_EVERY);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ask.tick() => ask_lately(&hub, &*book).await,
            _ = check.tick() => check_all(&hub, &*book).await,
            () = hub.service.lifecycle.draining() => return,
        }
    }
}

async fn ask_lately(hub: &Hub, book: &dyn SessionBook) {
    match book.ended_within(WINDOW).await {
        Ok(ended) => end(hub, &ended),
        Err(fault) => tracing::debug!(%fault, "cannot ask which sessions ended"),
    }
}

async fn check_all(hub: &Hub, book: &dyn SessionBook) {
    let sessions = hub.registry(super::registry::Registry::sessions);
    for some in sessions.chunks(CHECK) {
        match book.ended_of(some.to_vec()).await {
            Ok(ended) => end(hub, &ended),
            Err(fault) => {
                tracing::debug!(%fault, "cannot check the sessions");
                return;
            }
        }
    }
}

fn end(hub: &Hub, sessions: &[Uuid]) {
    for session_id in sessions {
        for connection in hub.registry(|registry| registry.of_session(*session_id)) {
            connection.close(CloseReason::SessionEnded);
        }
    }
}

// === impl RpcSessionBook ===

impl RpcSessionBook {
    /// The book behind `channel`.
    pub fn new(channel: Channel, token: ServiceToken) -> Self {
        Self { client: SessionServiceClient::new(channel), token }
    }
}

impl SessionBook for RpcSessionBook {
    fn is_live(&self, session_id: Uuid) -> BoxFuture<'_, Result<bool, Fault>> {
        async move {
            let request = AuthenticateRequest { session_id: session_id.to_string() };
            let answer = self.client.clone().authenticate(outbound(request, &self.token)).await;
            answer.map(|answer| answer.into_inner().active).map_err(refused)
        }
        .boxed()
    }

    fn ended_within(&self, window: Duration) -> BoxFuture<'_, Result<Vec<Uuid>, Fault>> {
        async move {
            let request = ListEndedSessionsRequest { within_ms: window.as_millis() as u64 };
            let answer = self.client.clone().list_ended_sessions(outbound(request, &self.token)).await;
            answer.map(|answer| read(&answer.into_inner().session_ids)).map_err(refused)
        }
        .boxed()
    }

    fn ended_of(&self, session_ids: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Uuid>, Fault>> {
        async move {
            let session_ids = session_ids.iter().map(Uuid::to_string).collect();
            let request = outbound(CheckSessionsRequest { session_ids }, &self.token);
            let answer = self.client.clone().check_sessions(request).await;
            answer.map(|answer| read(&answer.into_inner().ended_session_ids)).map_err(refused)
        }
        .boxed()
    }
}

fn read(ids: &[String]) -> Vec<Uuid> {
    ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn refused(status: Status) -> Fault {
    Fault::from_status(&status)
}
