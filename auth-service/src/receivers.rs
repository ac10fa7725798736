//! The services that hear of removed accounts.

use chassis::{
    fault::Fault,
    rpc::{Targets, channel_on, outbound},
    service_token::ServiceToken,
    tls::Wire,
};
use proto::{activity::v1 as activity, calendar::v1 as calendar, notification::v1 as notification};
use tonic::{Status, transport::Channel};
use uuid::Uuid;

use crate::store::Receiver;

/// Clients of the receivers, in the name of this service.
#[derive(Clone)]
pub(crate) struct Receivers {
    calendar: Channel,
    /// Absent where the operator runs none: then it is not told.
    notification: Option<Channel>,
    activity: Option<Channel>,
    token: ServiceToken,
}

// === impl Receivers ===

impl Receivers {
    /// Receivers at these addresses.
    pub(crate) fn new(
        wire: &Wire,
        calendar: &Targets,
        notification: Option<&Targets>,
        activity: Option<&Targets>,
        token: ServiceToken,
    ) -> Self {
        Self {
            calendar: channel_on(wire.to("calendar"), calendar),
            notification: notification.map(|at| channel_on(wire.to("notification"), at)),
            activity: activity.map(|at| channel_on(wire.to("activity"), at)),
            token,
        }
    }

    /// Those that are to be told.
    pub(crate) fn all(&self) -> impl Iterator<Item = Receiver> {
        let optional = [
            self.notification.as_ref().map(|_| Receiver::Notification),
            self.activity.as_ref().map(|_| Receiver::Activity),
        ];
        std::iter::once(Receiver::Calendar).chain(optional.into_iter().flatten())
    }

    /// Ends all that a receiver keeps of an account that is gone. Idempotent.
    pub(crate) async fn remove_account(&self, receiver: Receiver, account_id: Uuid) -> Result<(), Fault> {
        let account_id = account_id.to_string();
        let answer: Result<(), Status> = match receiver {
            Receiver::Calendar => {
                let request = outbound(calendar::RemoveAccountRequest { account_id }, &self.token);
                let mut client =
                    calendar::account_service_client::AccountServiceClient::new(self.calendar.clone());
                client.remove_account(request).await.map(drop)
            }
            Receiver::Notification => {
                let request = outbound(notification::RemoveAccountRequest { account_id }, &self.token);
                let channel = configured(self.notification.as_ref(), "notification-service")?;
                let mut client = notification::account_service_client::AccountServiceClient::new(channel);
                client.remove_account(request).await.map(drop)
            }
            Receiver::Activity => {
                let request = outbound(activity::RemoveAccountRequest { account_id }, &self.token);
                let channel = configured(self.activity.as_ref(), "activity-service")?;
                let mut client = activity::account_service_client::AccountServiceClient::new(channel);
                client.remove_account(request).await.map(drop)
            }
        };
        answer.map_err(|status| Fault::from_status(&status))
    }
}

/// A receiver that was told to us when the message was written, and is not
/// now: the message waits for the setting to come back.
fn configured(channel: Option<&Channel>, service: &str) -> Result<Channel, Fault> {
    channel.cloned().ok_or_else(|| Fault::unavailable(format_args!("the address of {service}")))
}
