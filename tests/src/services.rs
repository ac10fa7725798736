//! The services of a stack: each in this process, at an address of its own.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
};

use anyhow::Result;
use chassis::{lifecycle::Lifecycle, service_token::ServiceToken};
use test_support::ports;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::settings::{self, Variables};

/// A part that can be restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// auth-service.
    Auth,
    /// calendar-service.
    Calendar,
    /// notification-service.
    Notification,
    /// activity-service; its relay is off.
    Activity,
    /// The gateway.
    Gateway,
}

/// Where each of them listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    auth: SocketAddr,
    calendar: SocketAddr,
    sockets: SocketAddr,
    notification: SocketAddr,
    activity: SocketAddr,
    pub(crate) gateway: SocketAddr,
}

/// A service that runs.
pub(crate) struct Running {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) task: JoinHandle<Result<()>>,
}

/// All that run, those that are called before those that call.
pub(crate) type All = BTreeMap<Service, Running>;

// === impl Service ===

impl Service {
    pub(crate) const ALL: [Self; 5] =
        [Self::Auth, Self::Calendar, Self::Notification, Self::Activity, Self::Gateway];

    /// As its certificate and its settings call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Calendar => "calendar",
            Self::Notification => "notification",
            Self::Activity => "activity",
            Self::Gateway => "gateway",
        }
    }

    /// The program that runs it alone.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Auth => "auth-service",
            Self::Calendar => "calendar-service",
            Self::Notification => "notification-service",
            Self::Activity => "activity-service",
            Self::Gateway => "gateway",
        }
    }

    /// Starts it where it belongs.
    pub(crate) async fn start(
        self,
        settings: &Variables,
        addresses: &Addresses,
        token: &ServiceToken,
    ) -> Result<Running> {
        let token = token.clone();
        // So that each can be given a file of its own.
        let own = |(name, value): (&String, &String)| (name.clone(), value.replace("{service}", self.name()));
        let settings = &settings.iter().map(own).collect::<Variables>();
        Ok(match self {
            Self::Auth => {
                let config = settings::read::<auth_service::config::Settings>(settings)?.with_token(token)?;
                let grpc = TcpListener::bind(addresses.auth).await?;
                let on = auth_service::Listeners { grpc, admin: None };
                Running::spawn(|until| async { Ok(auth_service::run(config, on, until).await?) })
            }
            Self::Calendar => {
                let config = settings::read::<calendar_service::Settings>(settings)?.with_token(token)?;
                let grpc = TcpListener::bind(addresses.calendar).await?;
                let socket = TcpListener::bind(addresses.sockets).await?;
                let on = calendar_service::Listeners { grpc, socket, admin: None };
                Running::spawn(|until| async { Ok(calendar_service::run(config, on, until).await?) })
            }
            Self::Notification => {
                let config = settings::read::<notification_service::Settings>(settings)?.with_token(token)?;
                let grpc = TcpListener::bind(addresses.notification).await?;
                let on = notification_service::Listeners { grpc, admin: None };
                Running::spawn(|until| async { Ok(notification_service::run(config, on, until).await?) })
            }
            Self::Activity => {
                let config = settings::read::<activity_service::Settings>(settings)?.with_token(token)?;
                let grpc = TcpListener::bind(addresses.activity).await?;
                let relay = activity_service::RelayListeners::default();
                let on = activity_service::Listeners { grpc, relay, admin: None };
                Running::spawn(|until| async { Ok(activity_service::run(config, on, until).await?) })
            }
            Self::Gateway => {
                let config = settings::read::<gateway::config::Settings>(settings)?.with_token(token)?;
                let public = TcpListener::bind(addresses.gateway).await?;
                let on = gateway::Listeners { public, admin: None };
                Running::spawn(|until| async { Ok(gateway::run(config, on, until).await?) })
            }
        })
    }
}

// === impl Addresses ===

impl Addresses {
    pub(crate) fn free() -> Self {
        Self {
            auth: ports::free(),
            calendar: ports::free(),
            sockets: ports::free(),
            notification: ports::free(),
            activity: ports::free(),
            gateway: ports::free(),
        }
    }

    /// The same, but for one more instance of a service.
    pub(crate) fn beside(self, service: Service) -> Self {
        let other = Self::free();
        match service {
            Service::Auth => Self { auth: other.auth, ..self },
            Service::Calendar => Self { calendar: other.calendar, sockets: other.sockets, ..self },
            Service::Notification => Self { notification: other.notification, ..self },
            Service::Activity => Self { activity: other.activity, ..self },
            Service::Gateway => Self { gateway: other.gateway, ..self },
        }
    }

    /// Where a service's own program is told to listen.
    pub(crate) fn listeners(&self, service: Service) -> Variables {
        let listeners = match service {
            Service::Auth => vec![("AUTH_GRPC_LISTEN", self.auth)],
            Service::Calendar => {
                vec![("CALENDAR_GRPC_LISTEN", self.calendar), ("CALENDAR_SOCKET_LISTEN", self.sockets)]
            }
            Service::Notification => vec![("NOTIFICATION_GRPC_LISTEN", self.notification)],
            Service::Activity => vec![("ACTIVITY_GRPC_LISTEN", self.activity)],
            Service::Gateway => vec![("GATEWAY_LISTEN", self.gateway)],
        };
        listeners.into_iter().map(|(name, address)| (name.to_owned(), address.to_string())).collect()
    }

    /// Where a service's gRPC is; the gateway has none, but its own.
    pub(crate) const fn of(&self, service: Service) -> SocketAddr {
        match service {
            Service::Auth => self.auth,
            Service::Calendar => self.calendar,
            Service::Notification => self.notification,
            Service::Activity => self.activity,
            Service::Gateway => self.gateway,
        }
    }

    /// Where calendar-service takes sockets.
    pub(crate) const fn sockets(&self) -> SocketAddr {
        self.sockets
    }

    pub(crate) fn settings(&self) -> Variables {
        let url = |address: SocketAddr| format!("http://{address}");
        Variables::from([
            ("AUTH_URL".to_owned(), url(self.auth)),
            ("CALENDAR_URL".to_owned(), url(self.calendar)),
            ("CALENDAR_SOCKET_URL".to_owned(), url(self.sockets)),
            ("NOTIFICATION_URL".to_owned(), url(self.notification)),
            ("ACTIVITY_URL".to_owned(), url(self.activity)),
            ("RELAY_ROLE".to_owned(), "off".to_owned()),
            ("GATEWAY_LISTEN".to_owned(), self.gateway.to_string()),
        ])
    }
}

// === impl Running ===

impl Running {
    fn spawn<F>(run: impl FnOnce(Lifecycle) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let lifecycle = Lifecycle::new();
        let mut beginning = Some(lifecycle.health().dependency("beginning"));
        let end = run(lifecycle.clone());
        let task = tokio::spawn(async move {
            let mut end = pin!(end);
            // A service registers what it needs in its first step: before it, nothing is missing yet.
            let end = poll_fn(|context| {
                let polled = end.as_mut().poll(context);
                if let Some(beginning) = beginning.take() {
                    beginning.up();
                }
                polled
            });
            end.await
        });
        Self { lifecycle, task }
    }
}
