//! `notification.v1.NotifierService`: for the other services; needs the service token.

use chassis::{rpc::answer, service_token::ServiceToken};
use proto::notification::v1::{
    NotifyAccountRequest, NotifyResponse,
    notifier_service_server::{NotifierService, NotifierServiceServer},
};
use tonic::{Request, Response, Status, async_trait};

use super::convert;
use crate::{
    notify::{self, NewNotification},
    service::Service,
};

/// Notifies accounts in the name of other services.
pub(crate) struct NotifierRpc {
    pub(crate) service: Service,
    pub(crate) token: ServiceToken,
}

// === impl NotifierRpc ===

impl NotifierRpc {
    pub(crate) fn into_server(self) -> NotifierServiceServer<Self> {
        NotifierServiceServer::new(self)
    }
}

#[async_trait]
impl NotifierService for NotifierRpc {
    async fn notify_account(
        &self,
        request: Request<NotifyAccountRequest>,
    ) -> Result<Response<NotifyResponse>, Status> {
        answer(async {
            self.token.admit(&request)?;
            let NotifyAccountRequest { account_id, device_id, message, id } = request.into_inner();
            let account_id = convert::id("account_id", &account_id)?;
            let new = NewNotification { message, device_id, id: convert::given(id) };
            let notification_id = notify::notify_account(&self.service, account_id, new).await?;
            Ok(NotifyResponse { notification_id: notification_id.to_string() })
        })
        .await
    }
}
