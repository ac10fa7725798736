//! A service as the outbox sees it, whichever it is: it can be down, and it
//! counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use chassis::{fault::Fault, lifecycle::Lifecycle, service_token::ServiceToken};
use proto::{activity::v1 as activity, calendar::v1 as calendar, notification::v1 as notification};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, metadata::MetadataMap, service::Routes};
use uuid::Uuid;

/// What was heard, in order.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    token: ServiceToken,
    heard: Arc<Mutex<Vec<(String, Uuid)>>>,
    /// Calls that are refused before one is accepted.
    refusals: Arc<AtomicU32>,
}

// === impl Receiver ===

impl Receiver {
    /// Listens until the test's runtime ends.
    pub(super) async fn start(token: ServiceToken) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self { address, token, heard: Arc::default(), refusals: Arc::default() };
        let routes =
            Routes::new(calendar::account_service_server::AccountServiceServer::new(receiver.clone()))
                .add_service(notification::account_service_server::AccountServiceServer::new(
                    receiver.clone(),
                ))
                .add_service(activity::account_service_server::AccountServiceServer::new(receiver.clone()));
        tokio::spawn(chassis::rpc::serve("receiver", listener, routes, Lifecycle::new()));
        receiver
    }

    /// Its address, for the settings.
    pub(super) fn url(&self) -> chassis::rpc::Targets {
        format!("http://{}", self.address).parse().expect("an address")
    }

    /// Refuses the next calls.
    pub(super) fn refuse(&self, calls: u32) {
        self.refusals.store(calls, Ordering::SeqCst);
    }

    /// As which service it heard of which removed account, in order.
    pub(super) fn heard(&self) -> Vec<(String, Uuid)> {
        self.heard.lock().expect("not poisoned").clone()
    }

    fn hear(&self, metadata: &MetadataMap, package: &str, account_id: &str) -> Result<(), Fault> {
        self.token.check(metadata)?;
        let refuse = |left: u32| left.checked_sub(1);
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse).is_ok() {
            return Err(Fault::unavailable(package));
        }
        let mut heard = self.heard.lock().expect("not poisoned");
        heard.push((package.to_owned(), account_id.parse().expect("an id")));
        Ok(())
    }
}

/// The same service in each package.
macro_rules! account_service {
    ($package:ident) => {
        #[tonic::async_trait]
        impl $package::account_service_server::AccountService for Receiver {
            async fn remove_account(
                &self,
                request: Request<$package::RemoveAccountRequest>,
            ) -> Result<Response<$package::RemoveAccountResponse>, Status> {
                self.hear(request.metadata(), stringify!($package), &request.get_ref().account_id)?;
                Ok(Response::new($package::RemoveAccountResponse {}))
            }
        }
    };
}

account_service!(calendar);
account_service!(notification);
account_service!(activity);
