//! What gateways remember about sessions, so that auth-service is not asked at
//! each request (DESIGN, Sessions).
//!
//! Two implementations: Redis, shared by all gateways, and this process. In
//! front of either sits [`Recent`], at most a second old. A cache may always
//! answer "not known": that costs a question to auth-service, never safety.

mod memory;
mod recent;
mod redis;

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

pub use self::{memory::MemorySessions, recent::Recent, redis::RedisSessions};

/// How long "live" may be remembered between processes.
pub const LIVE_FOR: Duration = Duration::from_secs(30);
/// How long "ended" is remembered: longer than any "live" can survive, with an
/// answer in flight. Sessions do not come back to life.
pub const ENDED_FOR: Duration = Duration::from_secs(90);

/// What is known about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was live, and this account's.
    Live {
        /// Whose it is.
        account: Uuid,
    },
    /// It has ended.
    Ended,
}

/// Remembers sessions for at most [`LIVE_FOR`]; ended ones for [`ENDED_FOR`].
pub trait SessionCache: Send + Sync + 'static {
    /// What is known. Bounded in time; trouble is "not known".
    fn look(&self, session: Uuid) -> BoxFuture<'_, Option<Standing>>;
    /// Remembers that auth-service called the session live; never over what
    /// is known already, least of all over "ended".
    fn fill(&self, session: Uuid, account: Uuid);
    /// Remembers that the session has ended, over everything. Returns when it
    /// is known everywhere or after a bounded wait; then goes on trying.
    fn bury(&self, session: Uuid) -> BoxFuture<'_, ()>;
}
