//! proto ⇄ domain, nothing else: one file a gRPC service.

mod accounts;
mod calendars;
mod convert;
mod deliveries;
mod tunnels;

use chassis::rpc::Callers;

pub(crate) use self::{
    accounts::AccountRpc, calendars::CalendarRpc, deliveries::DeliveryRpc, tunnels::TunnelRpc,
};

/// Who may call what, where services show certificates.
pub(crate) const CALLERS: Callers = &[
    ("calendar.v1.CalendarService", &["gateway"]),
    ("calendar.v1.AccountService", &["auth"]),
    ("calendar.v1.DeliveryService", &["notification"]),
    ("calendar.v1.TunnelService", &["gateway"]),
];

/// Requests of our own gateway are small; one with 200 participants and a long
/// description stays under this.
const LARGEST_REQUEST: usize = 512 * 1024;
