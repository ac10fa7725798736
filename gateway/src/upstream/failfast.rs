//! How long to wait when nobody is ready: at the start a moment, for instances
//! that are just being connected to; later hardly at all, so that who cannot be
//! helped hears so at once.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// From the start to the first one that is ready.
const START: Duration = Duration::from_secs(1);
/// From the last one that was ready to the next: a connection that is made anew.
const GRACE: Duration = Duration::from_millis(40);

/// Whether anybody is ready, and since when not.
#[derive(Debug)]
pub(super) struct FailFast(watch::Sender<State>);

#[derive(Clone, Copy, Debug)]
enum State {
    Ready,
    /// Nobody is; who asks waits until then.
    Patient(Instant),
}

// === impl FailFast ===

impl FailFast {
    /// The start: nobody is ready yet.
    pub(super) fn new(now: Instant) -> Self {
        Self(watch::Sender::new(State::Patient(now + START)))
    }

    /// Somebody is ready, or nobody any more.
    pub(super) fn set(&self, ready: bool, now: Instant) {
        self.0.send_if_modified(|state| {
            let turns = ready != matches!(state, State::Ready);
            if turns {
                *state = if ready { State::Ready } else { State::Patient(now + GRACE) };
            }
            turns
        });
    }

    /// Waits for somebody to be ready, as long as that is worth it and not
    /// longer than `deadline`; false when it was in vain.
    pub(super) async fn ready(&self, deadline: Instant) -> bool {
        let until = match *self.0.borrow() {
            State::Ready => return true,
            State::Patient(until) => until.min(deadline),
        };
        if until <= Instant::now() {
            return false;
        }
        let mut state = self.0.subscribe();
        timeout_at(until, state.wait_for(|state| matches!(state, State::Ready))).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waits(failfast: &FailFast) -> (bool, u128) {
        let (begun, deadline) = (Instant::now(), Instant::now() + Duration::from_secs(2));
        let ready = failfast.ready(deadline).await;
        (ready, begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_a_second_at_the_start_and_a_moment_later() {
        let failfast = FailFast::new(Instant::now());
        assert_eq!(waits(&failfast).await, (false, 1_000));
        assert_eq!(waits(&failfast).await, (false, 0), "the start is over");
        failfast.set(true, Instant::now());
        assert_eq!(waits(&failfast).await, (true, 0));
        failfast.set(false, Instant::now());
        assert_eq!(waits(&failfast).await, (false, 40));
        failfast.set(false, Instant::now());
        assert_eq!(waits(&failfast).await, (false, 0), "as before");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_as_soon_as_somebody_is_ready_and_never_over_the_deadline() {
        let failfast = FailFast::new(Instant::now());
        let later = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            failfast.set(true, Instant::now());
        };
        assert_eq!(tokio::join!(waits(&failfast), later).0, (true, 300));
        let failfast = FailFast::new(Instant::now());
        assert!(!failfast.ready(Instant::now() + Duration::from_millis(7)).await);
    }
}
