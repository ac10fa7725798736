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
    auth::v1::{auth_service_client::AuthServiceClient, session_service_client::SessionServiceClient},
    calendar::v1::{
        calendar_service_client::CalendarServiceClient, tunnel_service_client::TunnelServiceClient,
    },
};

pub use self::{onward::Onward, pipe::Pipe};

/// A page of 1,000 events with long descriptions fits.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Clients to every service. Clones share connections.
#[derive(Clone)]
pub struct Upstream {
    auth: Pipe,
    calendar: Pipe,
    activity: Pipe,
    token: ServiceToken,
}

// === impl Upstream ===

impl Upstream {
    /// Services at these URIs; `token` opens their internal methods.
    pub fn new(auth: Uri, calendar: Uri, activity: Uri, token: ServiceToken) -> Self {
        let (auth, calendar) = (Pipe::new("auth", auth), Pipe::new("calendar", calendar));
        Self { auth, calendar, activity: Pipe::new("activity", activity), token }
    }

    /// Accounts, sessions, keys.
    pub fn auth(&self) -> AuthServiceClient<Pipe> {
        AuthServiceClient::new(self.auth.clone())
    }

    /// Calendars, members, events, messages, changes.
    pub fn calendar(&self) -> CalendarServiceClient<Pipe> {
        CalendarServiceClient::new(self.calendar.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Events of devices.
    pub fn activity(&self) -> ActivityServiceClient<Pipe> {
        ActivityServiceClient::new(self.activity.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    fn sessions(&self) -> SessionServiceClient<Pipe> {
        SessionServiceClient::new(self.auth.clone())
    }

    fn tunnels(&self) -> TunnelServiceClient<Pipe> {
        TunnelServiceClient::new(self.calendar.clone())
    }
}
