//! Where verifiers get the public keys.

use futures::{FutureExt as _, future::BoxFuture};
use proto::auth::v1::{JwksRequest, auth_service_client::AuthServiceClient};
use tonic::transport::Channel;

use crate::fault::Fault;

/// Answers the current JSON Web Key Set (RFC 7517).
pub trait KeySource: Send + Sync + 'static {
    /// One fetch, bounded in time by the implementation.
    fn fetch(&self) -> BoxFuture<'_, Result<String, Fault>>;
}

/// auth-service over gRPC.
#[derive(Clone, Debug)]
pub struct RpcKeySource {
    channel: Channel,
}

// === impl RpcKeySource ===

impl RpcKeySource {
    /// Keys from the service behind `channel`.
    pub const fn new(channel: Channel) -> Self {
        Self { channel }
    }
}

impl KeySource for RpcKeySource {
    fn fetch(&self) -> BoxFuture<'_, Result<String, Fault>> {
        async {
            let answer = AuthServiceClient::new(self.channel.clone()).jwks(JwksRequest {}).await;
            answer.map(|keys| keys.into_inner().jwks_json).map_err(|status| Fault::from_status(&status))
        }
        .boxed()
    }
}
