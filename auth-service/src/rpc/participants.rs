//! `auth.v1.ParticipantService`: the participant side of the create_event saga.

use chassis::{fault::Fault, rpc::answer, service_token::ServiceToken};
use proto::auth::v1::{
    ConfirmParticipantsRequest, ConfirmParticipantsResponse, ReleaseParticipantsRequest,
    ReleaseParticipantsResponse, ReserveParticipantsRequest, ReserveParticipantsResponse,
    SetParticipantsRequest, SetParticipantsResponse,
    participant_service_server::{ParticipantService, ParticipantServiceServer},
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::participation::{Participation, Saga};

type Answer<T> = Result<Response<T>, Status>;

/// The service's use-cases.
#[derive(Clone)]
pub(crate) struct ParticipantRpc {
    pub(crate) token: ServiceToken,
    pub(crate) participation: Participation,
}

// === impl ParticipantRpc ===

impl ParticipantRpc {
    pub(crate) fn into_server(self) -> ParticipantServiceServer<Self> {
        ParticipantServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl ParticipantService for ParticipantRpc {
    async fn reserve_participants(
        &self,
        request: Request<ReserveParticipantsRequest>,
    ) -> Answer<ReserveParticipantsResponse> {
        answer(async {
            self.token.admit(&request)?;
            let ReserveParticipantsRequest { saga_id, event_id, account_ids } = request.into_inner();
            self.participation.reserve(saga(&saga_id, &event_id)?, &accounts(&account_ids)?).await?;
            Ok(ReserveParticipantsResponse {})
        })
        .await
    }

    async fn confirm_participants(
        &self,
        request: Request<ConfirmParticipantsRequest>,
    ) -> Answer<ConfirmParticipantsResponse> {
        answer(async {
            self.token.admit(&request)?;
            let ConfirmParticipantsRequest { saga_id, event_id } = request.into_inner();
            self.participation.confirm(saga(&saga_id, &event_id)?).await?;
            Ok(ConfirmParticipantsResponse {})
        })
        .await
    }

    async fn release_participants(
        &self,
        request: Request<ReleaseParticipantsRequest>,
    ) -> Answer<ReleaseParticipantsResponse> {
        answer(async {
            self.token.admit(&request)?;
            let ReleaseParticipantsRequest { saga_id, event_id } = request.into_inner();
            self.participation.release(saga(&saga_id, &event_id)?).await?;
            Ok(ReleaseParticipantsResponse {})
        })
        .await
    }

    async fn set_participants(
        &self,
        request: Request<SetParticipantsRequest>,
    ) -> Answer<SetParticipantsResponse> {
        answer(async {
            self.token.admit(&request)?;
            let SetParticipantsRequest { event_id, revision, account_ids } = request.into_inner();
            let event_id = id("event_id", &event_id)?;
            self.participation.set(event_id, revision, &accounts(&account_ids)?).await?;
            Ok(SetParticipantsResponse {})
        })
        .await
    }
}

fn saga(saga_id: &str, event_id: &str) -> Result<Saga, Fault> {
    Ok(Saga { saga_id: id("saga_id", saga_id)?, event_id: id("event_id", event_id)? })
}

fn accounts(account_ids: &[String]) -> Result<Vec<Uuid>, Fault> {
    account_ids.iter().map(|text| id("account_ids", text)).collect()
}

fn id(field: &str, text: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(text).map_err(|_| Fault::invalid(field, "is not an id"))
}
