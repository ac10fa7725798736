//! `notification.v1.ReminderService`: for calendar-service; needs the service token.

use chassis::{
    fault::Fault,
    idempotency::{IdempotencyKey, wire::answer_once},
    rpc::answer,
    service_token::ServiceToken,
};
use proto::notification::v1::{
    ScheduleReminderRequest, ScheduledReminder, SetEventRemindersRequest, SetEventRemindersResponse,
    reminder_service_server::{ReminderService, ReminderServiceServer},
};
use tonic::{Request, Response, Status, async_trait};

use super::convert;
use crate::{
    reminder::{self, EventReminders, ReminderWish},
    service::Service,
};

/// Keeps reminders for calendar-service.
pub(crate) struct ReminderRpc {
    pub(crate) service: Service,
    pub(crate) token: ServiceToken,
}

// === impl ReminderRpc ===

impl ReminderRpc {
    pub(crate) fn into_server(self) -> ReminderServiceServer<Self> {
        ReminderServiceServer::new(self)
    }
}

#[async_trait]
impl ReminderService for ReminderRpc {
    async fn set_event_reminders(
        &self,
        request: Request<SetEventRemindersRequest>,
    ) -> Result<Response<SetEventRemindersResponse>, Status> {
        answer(async {
            self.token.admit(&request)?;
            let request = request.into_inner();
            let event = EventReminders {
                event_id: convert::id("event_id", &request.event_id)?,
                revision: request.revision,
                starts_at: request.starts_at,
                minutes: request.minutes,
            };
            reminder::set_event_reminders(&self.service, &event).await?;
            Ok(SetEventRemindersResponse {})
        })
        .await
    }

    async fn schedule_reminder(
        &self,
        request: Request<ScheduleReminderRequest>,
    ) -> Result<Response<ScheduledReminder>, Status> {
        answer_once(async {
            self.token.admit(&request)?;
            let request = request.into_inner();
            let calendar_id = convert::given(request.calendar_id);
            let key = convert::given(request.idempotency_key).map(|key| IdempotencyKey::parse(&key));
            let key = key.transpose().map_err(|rule| Fault::invalid("idempotency_key", rule))?;
            let wish = ReminderWish {
                name: request.name,
                time: request.time,
                time_zone: request.time_zone,
                calendar_id: calendar_id.map(|id| convert::id("calendar_id", &id)).transpose()?,
                account_id: convert::id("account_id", &request.account_id)?,
                idempotency_key: key,
            };
            let scheduled = reminder::schedule(&self.service, &wish).await?;
            Ok(scheduled.map(|scheduled| ScheduledReminder {
                reminder_id: scheduled.reminder_id.to_string(),
                name: scheduled.name,
                time: scheduled.time,
            }))
        })
        .await
    }
}
