//! Connections that wait for their next request.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{connect::Sender, target::Origin};

/// Shorter than the shortest common keep-alive of servers (five seconds): one
/// that is about to close a connection must not get a request on it.
const IDLE: Duration = Duration::from_secs(3);
/// Of all hosts together.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<Origin, Vec<(Sender, Instant)>>,
    count: usize,
}

// === impl Pool ===

impl Pool {
    /// The connection that was used last, if one is alive.
    pub(super) fn take(&self, origin: &Origin) -> Option<Sender> {
        let mut state = self.state.lock();
        let waiting = state.waiting.get_mut(origin)?;
        let (mut taken, mut found) = (0, None);
        while let Some((sender, since)) = waiting.pop() {
            taken += 1;
            if since.elapsed() < IDLE && sender.is_ready() {
                found = Some(sender);
                break;
            }
        }
        if waiting.is_empty() {
            state.waiting.remove(origin);
        }
        state.count -= taken;
        found
    }

    /// Keeps a connection that is ready for the next request.
    pub(super) fn put(&self, origin: Origin, sender: Sender) {
        let mut state = self.state.lock();
        if state.count < MOST {
            state.count += 1;
            state.waiting.entry(origin).or_default().push((sender, Instant::now()));
        }
    }

    /// Closes what has waited too long.
    pub(super) fn close_idle(&self) {
        let mut state = self.state.lock();
        let mut count = 0;
        state.waiting.retain(|_, waiting| {
            waiting.retain(|(sender, since)| since.elapsed() < IDLE && !sender.is_closed());
            count += waiting.len();
            !waiting.is_empty()
        });
        state.count = count;
        metrics::gauge!("webhook_idle_connections", "service" => "notification").set(count as f64);
    }
}
