//! Who is told: notification-service, or the address that the operator set.

mod http;

use chassis::{fault::Fault, rpc::outbound, service_token::ServiceToken};
use proto::notification::v1::{NotifyAccountRequest, notifier_service_client::NotifierServiceClient};
use tonic::transport::Channel;

pub use self::http::{HttpReceiver, is_http};
use crate::store::Outgoing;

/// Hears notifications; knows one it has heard by its id.
#[derive(Clone)]
pub enum Receiver {
    /// notification-service, which puts them into the account's inbox.
    Service(ServiceReceiver),
    /// An address of the operator's (`NOTIFY_URL`).
    Http(HttpReceiver),
}

/// notification-service over gRPC.
#[derive(Clone)]
pub struct ServiceReceiver {
    channel: Channel,
    token: ServiceToken,
}

// === impl Receiver ===

impl Receiver {
    /// Tells once; an error means that it may not have been heard.
    pub async fn tell(&self, notification: &Outgoing) -> Result<(), Fault> {
        match self {
            Self::Service(receiver) => receiver.tell(notification).await,
            Self::Http(receiver) => receiver.tell(notification).await,
        }
    }
}

// === impl ServiceReceiver ===

impl ServiceReceiver {
    /// The service behind `channel`.
    pub const fn new(channel: Channel, token: ServiceToken) -> Self {
        Self { channel, token }
    }

    async fn tell(&self, notification: &Outgoing) -> Result<(), Fault> {
        let request = NotifyAccountRequest {
            account_id: notification.device.account_id.to_string(),
            device_id: notification.device.device_id.clone(),
            message: notification.message.clone(),
            id: notification.notification_id.to_string(),
        };
        let request = outbound(request, &self.token);
        let answer = NotifierServiceClient::new(self.channel.clone()).notify_account(request).await;
        answer.map(drop).map_err(|status| Fault::from_status(&status))
    }
}
