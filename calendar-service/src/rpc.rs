//! proto ⇄ domain, nothing else: one file a gRPC service.

mod accounts;
mod calendars;
mod convert;
mod tunnels;

pub(crate) use self::{accounts::AccountRpc, calendars::CalendarRpc, tunnels::TunnelRpc};

/// Requests of our own gateway are small; one with 200 participants and a long
/// description stays under this.
const LARGEST_REQUEST: usize = 512 * 1024;
