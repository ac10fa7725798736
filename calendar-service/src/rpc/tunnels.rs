//! `calendar.v1.TunnelService`: for a gateway that drains; needs the service token.

use std::sync::Arc;

use chassis::{rpc::answer, service_token::ServiceToken};
use proto::calendar::v1::{
    CloseTunnelsRequest, CloseTunnelsResponse,
    tunnel_service_server::{TunnelService, TunnelServiceServer},
};
use tonic::{Request, Response, Status, async_trait};

use crate::tunnels::Tunnels;

/// Says goodbye on the sockets of a gateway.
#[derive(Clone)]
pub(crate) struct TunnelRpc {
    pub(crate) tunnels: Arc<dyn Tunnels>,
    pub(crate) token: ServiceToken,
}

// === impl TunnelRpc ===

impl TunnelRpc {
    pub(crate) fn into_server(self) -> TunnelServiceServer<Self> {
        TunnelServiceServer::new(self)
    }
}

#[async_trait]
impl TunnelService for TunnelRpc {
    async fn close_tunnels(
        &self,
        request: Request<CloseTunnelsRequest>,
    ) -> Result<Response<CloseTunnelsResponse>, Status> {
        answer(async {
            self.token.admit(&request)?;
            let closed = self.tunnels.close_tunnels(&request.get_ref().gateway_id).await;
            Ok(CloseTunnelsResponse { closed })
        })
        .await
    }
}
