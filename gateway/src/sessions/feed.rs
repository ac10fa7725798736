//! Hears of sessions that ended through any gateway.
//!
//! The tombstone in Redis is what other gateways see first; it can be late
//! when Redis was down, frozen or emptied just then. auth-service knows. Each
//! gateway asks it twice a second what ended since the last good answer, with
//! an overlap, and refuses those whatever a cache says.

use std::time::Duration;

use chassis::lifecycle::Lifecycle;
use tokio::time::{Instant, sleep};

use super::Sessions;
use crate::session_cache::{ENDED_FOR, LIVE_FOR};

const INTERVAL: Duration = Duration::from_millis(400);
/// A transaction that commits late ends its session earlier than it is seen.
const OVERLAP: Duration = Duration::from_secs(5);

impl Sessions {
    /// Listens until the soft stop.
    pub async fn listen(&self, lifecycle: Lifecycle) {
        let mut heard: Option<Instant> = None;
        while !lifecycle.is_draining() {
            let asked = Instant::now();
            // What ended before any remembered "live" was filled needs no telling.
            let gap = heard.map_or(LIVE_FOR, |at| asked - at);
            match self.0.upstream.ended_sessions((gap + OVERLAP).min(ENDED_FOR)).await {
                Ok(sessions) => {
                    heard = Some(asked);
                    for session in sessions {
                        self.forget(session);
                    }
                }
                Err(fault) => tracing::debug!(error = %fault, "cannot ask which sessions ended"),
            }
            tokio::select! { () = sleep(INTERVAL) => {}, () = lifecycle.draining() => {} }
        }
    }
}
