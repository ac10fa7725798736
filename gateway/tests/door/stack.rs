//! A gateway before services that exist for one test, all on port 0.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chassis::{http_server, lifecycle::Lifecycle, service_token::ServiceToken};
use clap::Parser;
use gateway::{Config, Listeners, config::Settings};
use proto::{
    auth::v1::{
        auth_service_server::AuthServiceServer, directory_service_server::DirectoryServiceServer,
        session_service_server::SessionServiceServer,
    },
    notification::v1::{
        notification_service_server::NotificationServiceServer,
        notifier_service_server::NotifierServiceServer,
    },
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::{
    auth::Auth,
    calendar::{Calendar, Rpc},
    client::Client,
    notification::Notification,
};

/// Longer than anything here takes; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The services behind.
pub(crate) struct Stack {
    pub(crate) auth: Arc<Auth>,
    pub(crate) calendar: Calendar,
    pub(crate) notification: Arc<Notification>,
    auth_at: SocketAddr,
    calendar_at: SocketAddr,
    sockets_at: SocketAddr,
    notification_at: SocketAddr,
}

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) at: SocketAddr,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) ended: JoinHandle<Result<(), gateway::RunError>>,
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: Settings,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let auth = Auth::new(ServiceToken::random());
        let calendar = Calendar::new();
        let (auth_listener, auth_at) = listener().await;
        let of_auth = Server::builder()
            .add_service(AuthServiceServer::from_arc(Arc::clone(&auth)))
            .add_service(SessionServiceServer::from_arc(Arc::clone(&auth)))
            .add_service(DirectoryServiceServer::from_arc(Arc::clone(&auth)));
        tokio::spawn(of_auth.serve_with_incoming(TcpListenerStream::new(auth_listener)));
        let (calendar_at, sockets_at) = serve(&calendar).await;
        let notification = Notification::new(auth.token.clone());
        let (notification_listener, notification_at) = listener().await;
        let of_notification = Server::builder()
            .add_service(NotificationServiceServer::from_arc(Arc::clone(&notification)))
            .add_service(NotifierServiceServer::from_arc(Arc::clone(&notification)));
        tokio::spawn(of_notification.serve_with_incoming(TcpListenerStream::new(notification_listener)));
        Self { auth, calendar, notification, auth_at, calendar_at, sockets_at, notification_at }
    }

    /// A gateway with these settings on top.
    pub(crate) async fn gateway(&self, settings: &[&str]) -> Gateway {
        self.gateway_with(settings, |_| ()).await
    }

    /// A gateway behind a proxy, before so many more instances of calendar-service.
    pub(crate) async fn gateway_before(&self, more: usize) -> (Gateway, Vec<Calendar>) {
        let mut calendars = Vec::new();
        let (mut rpc, mut sockets) = (vec![self.calendar_at], vec![self.sockets_at]);
        for _ in 0..more {
            let calendar = Calendar::new();
            let (rpc_at, sockets_at) = serve(&calendar).await;
            rpc.push(rpc_at);
            sockets.push(sockets_at);
            calendars.push(calendar);
        }
        let targets = |at: &[SocketAddr]| {
            let urls: Vec<_> = at.iter().map(|at| format!("http://{at}")).collect();
            urls.join(",").parse().expect("targets")
        };
        let settings = ["--trusted-proxies", "127.0.0.0/8"];
        let gateway = self.gateway_with(&settings, |config| {
            config.services.calendar = targets(&rpc);
            config.calendar_sockets = targets(&sockets);
        });
        (gateway.await, calendars)
    }

    /// A gateway whose configuration is changed once more.
    pub(crate) async fn gateway_with(&self, settings: &[&str], change: impl FnOnce(&mut Config)) -> Gateway {
        let url = |at: SocketAddr| format!("http://{at}");
        let (auth, calendar, sockets) = (url(self.auth_at), url(self.calendar_at), url(self.sockets_at));
        let notification = url(self.notification_at);
        let services = [
            "gateway",
            "--auth-url",
            &auth,
            "--calendar-url",
            &calendar,
            "--calendar-socket-url",
            &sockets,
            "--notification-url",
            &notification,
        ];
        let settings = Line::parse_from([&services, settings].concat()).settings;
        let mut config = settings.with_token(self.auth.token.clone()).expect("settings hold together");
        change(&mut config);
        let (public, at) = listener().await;
        let lifecycle = Lifecycle::new();
        let listeners = Listeners { public, admin: None };
        let ended = tokio::spawn(gateway::run(config, listeners, lifecycle.clone()));
        until("the gateway is ready", async || lifecycle.health().missing().is_empty()).await;
        Gateway { at, lifecycle, ended }
    }
}

impl Gateway {
    pub(crate) const fn client(&self) -> Client {
        Client { at: self.at }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.lifecycle.abort();
    }
}

/// Serves a calendar-service: where its methods are, and its sockets.
async fn serve(calendar: &Calendar) -> (SocketAddr, SocketAddr) {
    let (rpc, rpc_at) = listener().await;
    let server = Server::builder()
        .add_service(Rpc::<false>(calendar.clone()))
        .add_service(Rpc::<true>(calendar.clone()));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(rpc)));
    let (sockets, sockets_at) = listener().await;
    let limits = http_server::HttpLimits { http2: false, ..Default::default() };
    tokio::spawn(http_server::serve(sockets, calendar.sockets(), limits, Lifecycle::new()));
    (rpc_at, sockets_at)
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    (listener, at)
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
