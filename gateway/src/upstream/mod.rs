//! How the services behind the gateway are reached.
//!
//! Routes ask for a client (`upstream.calendar()`) and send it a request made
//! by their caller. What lies below the client is this module's business: the
//! deadline, what is tried again, what a broken connection means, what is
//! counted; and where endpoints come from.
//!
//! Instances are found ([`discover`]), watched ([`health`]) and chosen ([`pool`],
//! [`balance`]). The breaker of each lies below the balancer: its mechanism is
//! the [`gate`], its rules are the [`policy`]. An instance that fails is no
//! choice until one call has found that it works again. Where nobody is ready,
//! a call fails at once ([`failfast`]).

mod balance;
mod connection;
mod discover;
mod endpoint;
mod failfast;
mod failure;
mod gate;
mod health;
mod internal;
mod member;
mod onward;
mod pipe;
mod policy;
pub(crate) mod pool;
pub(crate) mod retry;

use chassis::{lifecycle::Lifecycle, rpc::Targets, service_token::ServiceToken, tls::Wire};
use proto::{
    activity::v1::activity_service_client::ActivityServiceClient,
    auth::v1::{
        auth_service_client::AuthServiceClient, directory_service_client::DirectoryServiceClient,
        session_service_client::SessionServiceClient,
    },
    calendar::v1::calendar_service_client::CalendarServiceClient,
    notification::v1::{
        notification_service_client::NotificationServiceClient,
        notifier_service_client::NotifierServiceClient,
    },
};

use self::pool::Pool;
pub use self::{
    onward::Onward,
    pipe::{Instance, Pipe},
    policy::Rules,
};

/// A page of 1,000 events with long descriptions fits, and 50,000 of the usual ones.
const MAX_ANSWER_BYTES: usize = 96 * 1024 * 1024;

/// Where the services are. One more service is one more line here, in
/// [`Upstream::new`], and a client below.
#[derive(Clone, Debug)]
pub struct Places {
    /// auth-service.
    pub auth: Targets,
    /// calendar-service.
    pub calendar: Targets,
    /// notification-service.
    pub notification: Targets,
    /// activity-service.
    pub activity: Targets,
}

/// Clients to every service. Clones share connections.
#[derive(Clone)]
pub struct Upstream {
    auth: Pipe,
    calendar: Pipe,
    notification: Pipe,
    activity: Pipe,
    token: ServiceToken,
}

// === impl Upstream ===

impl Upstream {
    /// Services at these places, reached over `wire`; `token` opens their internal methods.
    /// What looks for instances runs on the lifecycle.
    pub fn new(
        places: Places,
        wire: &Wire,
        rules: Rules,
        token: ServiceToken,
        lifecycle: &Lifecycle,
    ) -> Self {
        let pipe = |service, task, targets| {
            Pipe::new(service, Pool::start(service, task, (targets, wire.to(service)), rules, lifecycle))
        };
        Self {
            auth: pipe("auth", "auth-instances", places.auth),
            calendar: pipe("calendar", "calendar-instances", places.calendar),
            notification: pipe("notification", "notification-instances", places.notification),
            activity: pipe("activity", "activity-instances", places.activity),
            token,
        }
    }

    /// Accounts, sessions, keys.
    pub fn auth(&self) -> AuthServiceClient<Pipe> {
        AuthServiceClient::new(self.auth.clone())
    }

    /// Calendars, members, events, messages, changes.
    pub fn calendar(&self) -> CalendarServiceClient<Pipe> {
        CalendarServiceClient::new(self.calendar.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Timers, webhooks, notifications.
    pub fn notification(&self) -> NotificationServiceClient<Pipe> {
        NotificationServiceClient::new(self.notification.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Events of devices.
    pub fn activity(&self) -> ActivityServiceClient<Pipe> {
        ActivityServiceClient::new(self.activity.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Whether a caller is one of the operator's own programs: it shows the
    /// service token, compared in constant time.
    pub fn is_service(&self, shown: &[u8]) -> bool {
        self.token.is(shown)
    }

    fn sessions(&self) -> SessionServiceClient<Pipe> {
        SessionServiceClient::new(self.auth.clone())
    }

    /// The keepers of sockets, each by itself.
    fn tunnels(&self) -> Vec<Instance> {
        self.calendar.instances()
    }

    fn directory(&self) -> DirectoryServiceClient<Pipe> {
        DirectoryServiceClient::new(self.auth.clone())
    }

    fn notifier(&self) -> NotifierServiceClient<Pipe> {
        NotifierServiceClient::new(self.notification.clone())
    }
}
