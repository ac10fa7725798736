//! notification-service's side of reminders.

use std::{future::Future, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, wire::was_replayed},
    rpc::outbound,
    service_token::ServiceToken,
};
use proto::notification::v1::{
    ScheduleReminderRequest, ScheduledReminder, SetEventRemindersRequest,
    reminder_service_client::ReminderServiceClient,
};
use tonic::{Response, Status, transport::Channel};
use uuid::Uuid;

use crate::store::KnownReminders;

/// A word from the outbox; shorter than a lease.
const WORD: Duration = Duration::from_millis(900);
/// A question that a person waits for.
const QUESTION: Duration = Duration::from_millis(1500);

/// Knows when reminders are due.
#[derive(Clone)]
pub struct Reminders {
    client: ReminderServiceClient<Channel>,
    token: ServiceToken,
}

// === impl Reminders ===

impl Reminders {
    /// The service behind `channel`.
    pub fn new(channel: Channel, token: ServiceToken) -> Self {
        Self { client: ReminderServiceClient::new(channel), token }
    }

    /// Replaces the reminders of an event, unless it knows a newer revision.
    pub async fn set(&self, event_id: Uuid, known: &KnownReminders) -> Result<(), Fault> {
        let request = SetEventRemindersRequest {
            event_id: event_id.to_string(),
            revision: known.revision,
            starts_at: known.starts_at.clamped().to_rfc3339(),
            ends_at: known.ends_at.clamped().to_rfc3339(),
            minutes: known.minutes.clone(),
        };
        self.tell(request).await
    }

    /// The event is gone.
    pub async fn cancel(&self, event_id: Uuid, revision: i64) -> Result<(), Fault> {
        let event_id = event_id.to_string();
        self.tell(SetEventRemindersRequest { event_id, revision, ..SetEventRemindersRequest::default() })
            .await
    }

    /// Schedules a reminder, once for a key. `invalid` with the contract's text,
    /// `idempotency_mismatch`, `idempotency_in_flight`.
    pub async fn schedule(
        &self,
        request: ScheduleReminderRequest,
    ) -> Result<Answered<ScheduledReminder>, Fault> {
        let mut client = self.client.clone();
        let response = within(QUESTION, client.schedule_reminder(outbound(request, &self.token))).await?;
        let replayed = was_replayed(response.metadata());
        Ok(Answered { answer: response.into_inner(), replayed })
    }

    async fn tell(&self, request: SetEventRemindersRequest) -> Result<(), Fault> {
        within(WORD, self.client.clone().set_event_reminders(outbound(request, &self.token))).await.map(drop)
    }
}

async fn within<T>(
    patience: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Response<T>, Fault> {
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(status)) => Err(Fault::from_status(&status)),
        Err(_) => Err(Fault::of(Reason::DeadlineExceeded)),
    }
}
