//! `calendar.v1.DeliveryService`: for notification-service, when something is
//! due; needs the service token.

use chassis::{fault::Fault, rpc::answer, service_token::ServiceToken};
use proto::calendar::v1::{
    DeliverEventReminderRequest, DeliverNotificationRequest, DeliverResponse,
    DeliverScheduledReminderRequest, FindPeerRequest, FindPeerResponse,
    delivery_service_server::{DeliveryService, DeliveryServiceServer},
};
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use crate::{
    inbox::{self, Notification},
    member,
    model::{ScheduledReminder, Zone, read_date_time},
    reminder::{self, DueReminder},
    service::Service,
};

/// Characters of an id.
const ID: usize = 255;

type Answer<T> = Result<Response<T>, Status>;

/// Takes what is due, and knows who may write to whom.
#[derive(Clone)]
pub(crate) struct DeliveryRpc {
    pub(crate) service: Service,
    pub(crate) token: ServiceToken,
}

// === impl DeliveryRpc ===

impl DeliveryRpc {
    pub(crate) fn into_server(self) -> DeliveryServiceServer<Self> {
        DeliveryServiceServer::new(self)
    }
}

#[async_trait]
impl DeliveryService for DeliveryRpc {
    async fn deliver_notification(
        &self,
        request: Request<DeliverNotificationRequest>,
    ) -> Answer<DeliverResponse> {
        answer(async {
            self.token.admit(&request)?;
            let DeliverNotificationRequest { id, account_id, message, device_id } = request.into_inner();
            let account_id = uuid("account_id", &account_id)?;
            let notification = Notification { id: delivery_id(id)?, account_id, message, device_id };
            inbox::notify(&self.service, &notification).await?;
            Ok(DeliverResponse {})
        })
        .await
    }

    async fn deliver_event_reminder(
        &self,
        request: Request<DeliverEventReminderRequest>,
    ) -> Answer<DeliverResponse> {
        answer(async {
            self.token.admit(&request)?;
            let DeliverEventReminderRequest { id, event_id, minutes_before, starts_at, late } =
                request.into_inner();
            let starts_at = read_date_time(&starts_at, &Zone::utc());
            let due = DueReminder {
                id: delivery_id(id)?,
                event_id: uuid("event_id", &event_id)?,
                minutes_before,
                starts_at: starts_at.map_err(|rule| Fault::invalid("starts_at", rule))?,
                late,
            };
            reminder::remind(&self.service, due).await?;
            Ok(DeliverResponse {})
        })
        .await
    }

    async fn deliver_scheduled_reminder(
        &self,
        request: Request<DeliverScheduledReminderRequest>,
    ) -> Answer<DeliverResponse> {
        answer(async {
            self.token.admit(&request)?;
            let DeliverScheduledReminderRequest { id, name, time, calendar_id, account_id, late } =
                request.into_inner();
            let calendar_id =
                if calendar_id.is_empty() { None } else { Some(uuid("calendar_id", &calendar_id)?) };
            let reminder = ScheduledReminder {
                id: delivery_id(id)?,
                name: storable("name", name)?,
                time: storable("time", time)?,
                calendar_id,
                account_id: uuid("account_id", &account_id)?,
                late,
            };
            reminder::deliver_scheduled(&self.service, reminder).await?;
            Ok(DeliverResponse {})
        })
        .await
    }

    async fn find_peer(&self, request: Request<FindPeerRequest>) -> Answer<FindPeerResponse> {
        answer(async {
            self.token.admit(&request)?;
            let FindPeerRequest { account_id, username } = request.get_ref();
            let caller = uuid("account_id", account_id)?;
            let account_id = member::find_peer(&self.service, caller, username).await?;
            Ok(FindPeerResponse { account_id: account_id.to_string() })
        })
        .await
    }
}

fn uuid(field: &str, text: &str) -> Result<Uuid, Fault> {
    text.parse().map_err(|_| Fault::invalid(field, "must be a UUID"))
}

fn delivery_id(id: String) -> Result<String, Fault> {
    let length = id.chars().count();
    if (1..=ID).contains(&length) && !id.chars().any(char::is_control) {
        Ok(id)
    } else {
        Err(Fault::invalid("id", "must have 1 to 255 characters, none of them control characters"))
    }
}

/// What PostgreSQL can hold.
fn storable(field: &str, text: String) -> Result<String, Fault> {
    if text.contains('\0') {
        return Err(Fault::invalid(field, "must not contain the character U+0000"));
    }
    Ok(text)
}
