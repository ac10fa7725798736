//! auth-service's side of the saga.

use std::{future::Future, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    rpc::outbound,
    service_token::ServiceToken,
};
use proto::auth::v1::{
    ConfirmParticipantsRequest, ReleaseParticipantsRequest, ReserveParticipantsRequest,
    SetParticipantsRequest, participant_service_client::ParticipantServiceClient,
};
use tonic::{Response, Status, transport::Channel};
use uuid::Uuid;

/// One call; shorter than a lease and than a saga's patience.
const CALL: Duration = Duration::from_millis(900);

/// Keeps a record per participant. Every method is idempotent.
#[derive(Clone)]
pub struct Participants {
    client: ParticipantServiceClient<Channel>,
    token: ServiceToken,
}

// === impl Participants ===

impl Participants {
    /// The service behind `channel`.
    pub fn new(channel: Channel, token: ServiceToken) -> Self {
        Self { client: ParticipantServiceClient::new(channel), token }
    }

    /// Records a reserved participation per account. `participant_unknown` (the
    /// accounts as names), `saga_released`.
    pub async fn reserve(&self, saga_id: Uuid, event_id: Uuid, accounts: &[Uuid]) -> Result<(), Fault> {
        let request = ReserveParticipantsRequest {
            saga_id: saga_id.to_string(),
            event_id: event_id.to_string(),
            account_ids: texts(accounts),
        };
        bounded(self.client.clone().reserve_participants(outbound(request, &self.token))).await
    }

    /// Makes the reserved records confirmed ones.
    pub async fn confirm(&self, saga_id: Uuid, event_id: Uuid) -> Result<(), Fault> {
        let request =
            ConfirmParticipantsRequest { saga_id: saga_id.to_string(), event_id: event_id.to_string() };
        bounded(self.client.clone().confirm_participants(outbound(request, &self.token))).await
    }

    /// Removes the records, and refuses a late Reserve of the same saga.
    pub async fn release(&self, saga_id: Uuid, event_id: Uuid) -> Result<(), Fault> {
        let request =
            ReleaseParticipantsRequest { saga_id: saga_id.to_string(), event_id: event_id.to_string() };
        bounded(self.client.clone().release_participants(outbound(request, &self.token))).await
    }

    /// Replaces the records of an event; nobody: the event is gone.
    pub async fn set(&self, event_id: Uuid, revision: i64, account_ids: Vec<String>) -> Result<(), Fault> {
        let request = SetParticipantsRequest { event_id: event_id.to_string(), revision, account_ids };
        bounded(self.client.clone().set_participants(outbound(request, &self.token))).await
    }
}

async fn bounded<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<(), Fault> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(Fault::from_status(&status)),
        Err(_) => Err(Fault::of(Reason::DeadlineExceeded)),
    }
}

fn texts(accounts: &[Uuid]) -> Vec<String> {
    accounts.iter().map(Uuid::to_string).collect()
}
