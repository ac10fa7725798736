//! `notification.v1.AccountService`: for auth-service's outbox; needs the service token.

use chassis::{fault::Fault, rpc::answer, service_token::ServiceToken};
use proto::notification::v1::{
    RemoveAccountRequest, RemoveAccountResponse,
    account_service_server::{AccountService, AccountServiceServer},
};
use tonic::{Request, Response, Status, async_trait};

use crate::{removal, service::Service};

/// Ends what belongs to accounts that are gone.
#[derive(Clone)]
pub(crate) struct AccountRpc {
    pub(crate) service: Service,
    pub(crate) token: ServiceToken,
}

// === impl AccountRpc ===

impl AccountRpc {
    pub(crate) fn into_server(self) -> AccountServiceServer<Self> {
        AccountServiceServer::new(self)
    }
}

#[async_trait]
impl AccountService for AccountRpc {
    async fn remove_account(
        &self,
        request: Request<RemoveAccountRequest>,
    ) -> Result<Response<RemoveAccountResponse>, Status> {
        answer(async {
            self.token.admit(&request)?;
            let account_id = request.get_ref().account_id.parse();
            let account_id = account_id.map_err(|_| Fault::invalid("account_id", "must be a UUID"))?;
            removal::remove_account(&self.service, account_id).await?;
            Ok(RemoveAccountResponse {})
        })
        .await
    }
}
