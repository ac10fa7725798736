//! The saga's other side, which agrees to everything.

use chassis::service_token::ServiceToken;
use proto::auth::v1::{
    ConfirmParticipantsRequest, ConfirmParticipantsResponse, ReleaseParticipantsRequest,
    ReleaseParticipantsResponse, ReserveParticipantsRequest, ReserveParticipantsResponse,
    SetParticipantsRequest, SetParticipantsResponse,
    participant_service_server::{ParticipantService, ParticipantServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

struct Agreeable;

#[tonic::async_trait]
impl ParticipantService for Agreeable {
    async fn reserve_participants(
        &self,
        _: Request<ReserveParticipantsRequest>,
    ) -> Result<Response<ReserveParticipantsResponse>, Status> {
        Ok(Response::new(ReserveParticipantsResponse {}))
    }

    async fn confirm_participants(
        &self,
        _: Request<ConfirmParticipantsRequest>,
    ) -> Result<Response<ConfirmParticipantsResponse>, Status> {
        Ok(Response::new(ConfirmParticipantsResponse {}))
    }

    async fn release_participants(
        &self,
        _: Request<ReleaseParticipantsRequest>,
    ) -> Result<Response<ReleaseParticipantsResponse>, Status> {
        Ok(Response::new(ReleaseParticipantsResponse {}))
    }

    async fn set_participants(
        &self,
        _: Request<SetParticipantsRequest>,
    ) -> Result<Response<SetParticipantsResponse>, Status> {
        Ok(Response::new(SetParticipantsResponse {}))
    }
}

/// A client of a server that runs as long as the test.
pub(crate) async fn start() -> calendar_service::saga::Participants {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_service(ParticipantServiceServer::new(Agreeable));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = chassis::rpc::channel(&uri.parse().unwrap());
    calendar_service::saga::Participants::new(channel, ServiceToken::random())
}
