//! proto ⇄ domain, nothing else: one file a gRPC service.

mod accounts;
mod activity;

use chassis::rpc::Callers;

pub(crate) use self::{accounts::AccountRpc, activity::ActivityRpc};

/// Who may call what, where services show certificates.
pub(crate) const CALLERS: Callers =
    &[("activity.v1.ActivityService", &["gateway"]), ("activity.v1.AccountService", &["auth"])];

/// The gateway takes bodies of 256 KiB; a thousand events in one stay under this.
const LARGEST_REQUEST: usize = 512 * 1024;
