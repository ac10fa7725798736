//! `auth.v1.DirectoryService`: whose name is whose, for the gateway.

use chassis::{rpc::answer, service_token::ServiceToken};
use proto::auth::v1::{
    FindAccountRequest, FindAccountResponse,
    directory_service_server::{DirectoryService, DirectoryServiceServer},
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{model::UsernameKey, store::Store};

/// The service's one look-up.
#[derive(Clone)]
pub(crate) struct DirectoryRpc {
    pub(crate) token: ServiceToken,
    pub(crate) store: Store,
}

// === impl DirectoryRpc ===

impl DirectoryRpc {
    pub(crate) fn into_server(self) -> DirectoryServiceServer<Self> {
        DirectoryServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl DirectoryService for DirectoryRpc {
    async fn find_account(
        &self,
        request: Request<FindAccountRequest>,
    ) -> Result<Response<FindAccountResponse>, Status> {
        answer(async {
            self.token.admit(&request)?;
            let found = self.store.find_account(&UsernameKey::of(&request.get_ref().username)).await?;
            Ok(FindAccountResponse { account_id: found.as_ref().map(Uuid::to_string).unwrap_or_default() })
        })
        .await
    }
}
