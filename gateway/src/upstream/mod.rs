//! How the services behind the gateway are reached.
//!
//! Routes ask for a client (`upstream.calendar()`) and send it a request made
//! by their caller. What lies below the client is this module's business: the
//! deadline, what is tried again, what a broken connection means, what is
//! counted; and where endpoints come from.

mod connection;
mod endpoint;
mod failure;
mod internal;
mod onward;
mod pipe;
mod retry;

use chassis::service_token::ServiceToken;
use http::Uri;
use proto::{
    activity::v1::activity_service_client::ActivityServiceClient,
    auth::v1::{
        auth_service_client::AuthServiceClient, directory_service_client::DirectoryServiceClient,
        session_service_client::SessionServiceClient,
    },
    calendar::v1::{
        calendar_service_client::CalendarServiceClient, tunnel_service_client::TunnelServiceClient,
    },
    notification::v1::{
        notification_service_client::NotificationServiceClient,
        notifier_service_client::NotifierServiceClient,
    },
};

pub use self::{onward::Onward, pipe::Pipe};

/// A page of 1,000 events with long descriptions fits.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Where the services are. One more service is one more line here, in
/// [`Upstream::new`], and a client below.
#[derive(Clone, Debug)]
pub struct Places {
    /// auth-service.
    pub auth: Uri,
    /// calendar-service.
    pub calendar: Uri,
    /// notification-service.
    pub notification: Uri,
    /// activity-service.
    pub activity: Uri,
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
    /// Services at these places; `token` opens their internal methods.
    pub fn new(places: Places, token: ServiceToken) -> Self {
        Self {
            auth: Pipe::new("auth", places.auth),
            calendar: Pipe::new("calendar", places.calendar),
            notification: Pipe::new("notification", places.notification),
            activity: Pipe::new("activity", places.activity),
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

    fn tunnels(&self) -> TunnelServiceClient<Pipe> {
        TunnelServiceClient::new(self.calendar.clone())
    }

    fn directory(&self) -> DirectoryServiceClient<Pipe> {
        DirectoryServiceClient::new(self.auth.clone())
    }

    fn notifier(&self) -> NotifierServiceClient<Pipe> {
        NotifierServiceClient::new(self.notification.clone())
    }
}
