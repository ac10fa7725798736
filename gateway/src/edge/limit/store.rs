//! Where budgets are counted: in this process, or small ones in Redis for all
//! gateways together. No route knows.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use uuid::Uuid;

/// A route's budget: a burst of `per_minute`, then one every 60/`per_minute` s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The route's name: metric label and setting.
    pub route: &'static str,
    /// Requests a minute.
    pub per_minute: NonZeroU32,
}

/// Whose budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An account's.
    Account(Uuid),
    /// A client address's (IPv6: its /64's).
    Address(IpAddr),
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It counts; so many more may follow at once.
    Allowed {
        /// What is left of the burst.
        remaining: u32,
    },
    /// It does not count; the next one may come after this.
    Refused {
        /// Until then every request is refused.
        retry_after: Duration,
    },
}

/// Counts budgets.
pub trait Store: Send + Sync + 'static {
    /// The meter of a budget; the same budget again is the same meter.
    fn open(&self, budget: Budget) -> Arc<dyn Meter>;
}

/// One budget, for all its keys.
pub trait Meter: Send + Sync + 'static {
    /// The budget that is metered.
    fn budget(&self) -> Budget;
    /// Spends one request of this key's budget.
    fn spend(&self, key: Key) -> BoxFuture<'_, Spent>;
}
