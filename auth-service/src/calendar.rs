//! The client of calendar-service.

use chassis::{fault::Fault, rpc::outbound, service_token::ServiceToken};
use proto::calendar::v1::{RemoveAccountRequest, account_service_client::AccountServiceClient};
use tonic::transport::Channel;
use uuid::Uuid;

/// Calls calendar-service in the name of this service.
#[derive(Clone)]
pub(crate) struct CalendarClient {
    channel: Channel,
    token: ServiceToken,
}

// === impl CalendarClient ===

impl CalendarClient {
    /// A client over `channel`.
    pub(crate) const fn new(channel: Channel, token: ServiceToken) -> Self {
        Self { channel, token }
    }

    /// Ends every membership of an account that is gone. Idempotent.
    pub(crate) async fn remove_account(&self, account_id: Uuid) -> Result<(), Fault> {
        let request = outbound(RemoveAccountRequest { account_id: account_id.to_string() }, &self.token);
        let answer = AccountServiceClient::new(self.channel.clone()).remove_account(request).await;
        answer.map(drop).map_err(|status| Fault::from_status(&status))
    }
}
