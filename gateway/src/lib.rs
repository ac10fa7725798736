//! The one door: REST, tokens, sessions, limits, socket tunnels.

pub mod edge;
pub mod metrics;
mod openapi;
pub mod problem;
pub mod routes;
pub mod session_cache;
pub mod sessions;
#[cfg(test)]
mod snapshot;
pub mod state;
pub mod upstream;
