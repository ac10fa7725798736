//! The one door: REST, tokens, sessions, limits, socket tunnels.

pub mod edge;
pub mod metrics;
pub mod problem;
pub mod session_cache;
pub mod sessions;
pub mod state;
pub mod upstream;
