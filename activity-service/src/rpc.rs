//! proto ⇄ domain, nothing else: one file a gRPC service.

mod accounts;
mod activity;

pub(crate) use self::{accounts::AccountRpc, activity::ActivityRpc};

/// The gateway takes bodies of 256 KiB; a thousand events in one stay under this.
const LARGEST_REQUEST: usize = 512 * 1024;
