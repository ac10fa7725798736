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
        let (calendar_listener, calendar_at) = listener().await;
        let of_calendar =
            Server::builder()
                .add_service(Rpc::<false>(calendar.clone()))
                .add_service(Rpc::<true>(calendar.clone()));
        tokio::spawn(of_calendar.serve_with_incoming(TcpListenerStream::new(calendar_listener)));
        let (sockets_listener, sockets_at) = listener().await;
        let limits = http_server::HttpLimits { http2: false, ..Default::default() };
        tokio::spawn(http_server::serve(sockets_listener, calendar.sockets(), limits, Lifecycle::new()));
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
