//! Rate limits: one budget per route, counted per account or client address.
//!
//! A route is given its budget where it is declared:
//! `.layer(limits.per_account("create_calendar"))`. The name finds the figure
//! in the settings (default: the contract's); a name without a figure of its
//! own gets the general one, 600 a minute. A burst of N, then one every 60/N s;
//! refused requests do not count. `/api` is taken off before routing, so both
//! prefixes share the budget.

mod keys;
mod layer;
mod local;
mod settings;
mod shared;
mod store;

use std::{num::NonZeroU32, sync::Arc};

pub use self::{
    layer::{LimitLayer, Limited},
    local::LocalStore,
    settings::LimitSettings,
    shared::SharedStore,
    store::{Budget, Key, Meter, Spent, Store},
};
use crate::sessions::Sessions;

/// Hands out the budgets of the routes.
#[derive(Clone)]
pub struct Limits {
    settings: LimitSettings,
    store: Arc<dyn Store>,
    sessions: Sessions,
}

// === impl Limits ===

impl Limits {
    /// Budgets by `settings`, counted in `store`; accounts as `sessions` knows them.
    pub fn new(settings: LimitSettings, store: Arc<dyn Store>, sessions: Sessions) -> Self {
        Self { settings, store, sessions }
    }

    /// A budget for each account; for each client address where no good token
    /// is shown.
    pub fn per_account(&self, route: &'static str) -> LimitLayer {
        let meter = self.meter(route, self.settings.figure(route));
        LimitLayer::new(meter, Some(self.sessions.clone()))
    }

    /// A budget for each client address.
    pub fn per_address(&self, route: &'static str) -> LimitLayer {
        LimitLayer::new(self.meter(route, self.settings.figure(route)), None)
    }

    /// For routes that need no token and cost little (status, keys, documents):
    /// a generous budget for each client address.
    pub fn open(&self, route: &'static str) -> LimitLayer {
        LimitLayer::new(self.meter(route, self.settings.open), None)
    }

    fn meter(&self, route: &'static str, per_minute: NonZeroU32) -> Arc<dyn Meter> {
        self.store.open(Budget { route, per_minute })
    }
}
