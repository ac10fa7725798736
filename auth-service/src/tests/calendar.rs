//! calendar-service as the outbox sees it: it can be down, and it counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use chassis::{fault::Fault, lifecycle::Lifecycle, service_token::ServiceToken};
use proto::calendar::v1::{
    RemoveAccountRequest, RemoveAccountResponse,
    account_service_server::{AccountService, AccountServiceServer},
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, service::Routes};

/// What was heard, in order.
#[derive(Clone)]
pub(super) struct Calendar {
    pub(super) address: SocketAddr,
    token: ServiceToken,
    heard: Arc<Mutex<Vec<String>>>,
    /// Calls that are refused before one is accepted.
    refusals: Arc<AtomicU32>,
}

// === impl Calendar ===

impl Calendar {
    /// Listens until the test's runtime ends.
    pub(super) async fn start(token: ServiceToken) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let calendar = Self { address, token, heard: Arc::default(), refusals: Arc::default() };
        let routes = Routes::new(AccountServiceServer::new(calendar.clone()));
        tokio::spawn(chassis::rpc::serve("calendar", listener, routes, Lifecycle::new()));
        calendar
    }

    /// Its address, for the settings.
    pub(super) fn url(&self) -> tonic::transport::Uri {
        format!("http://{}", self.address).parse().expect("an address")
    }

    /// Refuses the next calls.
    pub(super) fn refuse(&self, calls: u32) {
        self.refusals.store(calls, Ordering::SeqCst);
    }

    /// The accounts that were removed, in order.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clone()
    }
}

#[tonic::async_trait]
impl AccountService for Calendar {
    async fn remove_account(
        &self,
        request: Request<RemoveAccountRequest>,
    ) -> Result<Response<RemoveAccountResponse>, Status> {
        self.token.check(request.metadata())?;
        let refuse = |left: u32| left.checked_sub(1);
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok() {
            return Err(Fault::unavailable("calendar-service").into());
        }
        self.heard.lock().expect("not poisoned").push(request.into_inner().account_id);
        Ok(Response::new(RemoveAccountResponse {}))
    }
}
