//! calendar-service, where the sockets and inboxes are.

use std::{future::Future, time::Duration};

use chassis::{
    fault::{Fault, FaultCode, Reason},
    rpc::outbound,
    service_token::ServiceToken,
};
use proto::calendar::v1::{
    DeliverEventReminderRequest, DeliverNotificationRequest, DeliverScheduledReminderRequest,
    FindPeerRequest, delivery_service_client::DeliveryServiceClient,
};
use tokio::time::timeout;
use tonic::{Response, Status, transport::Channel};
use uuid::Uuid;

use crate::model::Outcome;

/// The lane of everything that goes there.
pub const LANE: &str = "calendar";
/// Deliveries to it at once.
pub const AT_ONCE: usize = 64;
/// A call of somebody who waits for an answer of ours.
const ASK: Duration = Duration::from_millis(1200);

/// Its internal methods; each is idempotent by id.
#[derive(Clone)]
pub struct CalendarClient {
    client: DeliveryServiceClient<Channel>,
    token: ServiceToken,
}

// === impl CalendarClient ===

impl CalendarClient {
    /// The service behind `channel`.
    pub fn new(channel: Channel, token: ServiceToken) -> Self {
        Self { client: DeliveryServiceClient::new(channel), token }
    }

    /// Into one account's inbox, and to its sockets.
    pub(crate) async fn deliver_notification(&self, request: DeliverNotificationRequest) -> Outcome {
        outcome(self.client.clone().deliver_notification(outbound(request, &self.token))).await
    }

    /// To everybody whom a reminder of an event concerns.
    pub(crate) async fn deliver_event_reminder(&self, request: DeliverEventReminderRequest) -> Outcome {
        outcome(self.client.clone().deliver_event_reminder(outbound(request, &self.token))).await
    }

    /// To the sockets of a room, or of everybody.
    pub(crate) async fn deliver_scheduled_reminder(
        &self,
        request: DeliverScheduledReminderRequest,
    ) -> Outcome {
        outcome(self.client.clone().deliver_scheduled_reminder(outbound(request, &self.token))).await
    }

    /// The account of a username, when it is the caller's or they share a
    /// calendar. `not_found`.
    pub(crate) async fn find_peer(&self, account_id: Uuid, username: &str) -> Result<Uuid, Fault> {
        let request = FindPeerRequest { account_id: account_id.to_string(), username: username.to_owned() };
        let mut client = self.client.clone();
        let answer = match timeout(ASK, client.find_peer(outbound(request, &self.token))).await {
            Ok(answer) => answer.map_err(|status| Fault::from_status(&status)),
            Err(_) => Err(Fault::unavailable("a service")),
        };
        match answer {
            Ok(found) => found.into_inner().account_id.parse().map_err(|error| Fault::internal(&error)),
            Err(fault) if fault.code() == FaultCode::NotFound => {
                Err(Fault::new(Reason::NotFound, "nobody of this name shares a calendar with you"))
            }
            Err(fault) => Err(fault),
        }
    }
}

/// A definite no will not become a yes; everything else may.
async fn outcome<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Outcome {
    let Err(status) = call.await else { return Outcome::Done { status: 0 } };
    let fault = Fault::from_status(&status);
    let why = fault.to_string();
    match fault.code() {
        FaultCode::Invalid
        | FaultCode::NotFound
        | FaultCode::Conflict
        | FaultCode::Stale
        | FaultCode::Unprocessable => Outcome::Refused { status: 0, why },
        FaultCode::Unauthenticated
        | FaultCode::Forbidden
        | FaultCode::TooMany
        | FaultCode::Internal
        | FaultCode::Unavailable
        | FaultCode::Deadline => Outcome::Again { status: 0, why },
    }
}
