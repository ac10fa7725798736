//! Whether the bus works, end to end: what an instance publishes comes back to
//! itself. A connection that is merely open proves nothing.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Without an echo for so long the bus is not healthy.
pub(super) const ECHO_WITHIN: Duration = Duration::from_secs(2);

/// The health of the bus.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    echo: Option<Instant>,
    healthy: bool,
}

// === impl Pulse ===

impl Pulse {
    /// Something of ours came back; true when that makes the bus healthy.
    pub(super) fn echo(&self, now: Instant) -> bool {
        let mut state = self.0.lock();
        state.echo = Some(now);
        !std::mem::replace(&mut state.healthy, true)
    }

    /// Time has passed; true when that makes the bus unhealthy.
    pub(super) fn look(&self, now: Instant) -> bool {
        let mut state = self.0.lock();
        let silent = state.echo.is_none_or(|echo| now.duration_since(echo) > ECHO_WITHIN);
        silent && std::mem::replace(&mut state.healthy, false)
    }

    /// The connection is lost; true when that makes the bus unhealthy.
    pub(super) fn lost(&self) -> bool {
        let mut state = self.0.lock();
        state.echo = None;
        std::mem::replace(&mut state.healthy, false)
    }

    /// Whether the bus is healthy.
    pub(super) fn is_healthy(&self) -> bool {
        self.0.lock().healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_an_echo_makes_it_healthy_and_silence_or_a_loss_unhealthy() {
        let (pulse, start) = (Pulse::default(), Instant::now());
        assert!(!pulse.is_healthy());
        assert!(!pulse.look(start), "it was not healthy before");
        assert!(pulse.echo(start), "now it is");
        assert!(!pulse.echo(start), "as it was");
        assert!(!pulse.look(start + ECHO_WITHIN));
        assert!(pulse.look(start + ECHO_WITHIN + Duration::from_millis(1)));
        assert!(!pulse.is_healthy());
        assert!(pulse.echo(start + ECHO_WITHIN * 2));
        assert!(pulse.lost());
        assert!(!pulse.look(start + ECHO_WITHIN * 2), "it was not healthy before");
    }
}
