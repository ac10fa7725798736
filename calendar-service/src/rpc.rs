//! proto ⇄ domain, nothing else: one file a gRPC service.

mod accounts;
mod calendars;
mod convert;
mod deliveries;
mod tunnels;

pub(crate) use self::{
    accounts::AccountRpc, calendars::CalendarRpc, deliveries::DeliveryRpc, tunnels::TunnelRpc,
};

/// Requests of our own gateway are small; one with 200 participants and a long
/// description stays under this.
const LARGEST_REQUEST: usize = 512 * 1024;
