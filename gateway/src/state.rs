//! What handlers get: one value, cloned per request, built by [`crate::app`].

use std::{ops::Deref, sync::Arc};

use crate::{edge::origins::Origins, sessions::Sessions, tunnel::Tunnels, upstream::Upstream};

/// The router's state. A clone is one reference count.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What [`App`] holds.
pub struct Parts {
    /// The services behind the gateway.
    pub upstream: Upstream,
    /// Who calls, and whose sessions have ended.
    pub sessions: Sessions,
    /// The sockets of calendar-service.
    pub tunnels: Arc<Tunnels>,
    /// Which web pages may open sockets.
    pub origins: Origins,
    /// Whether timers need no token.
    pub timers_public: bool,
}

// === impl App ===

impl From<Parts> for App {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
