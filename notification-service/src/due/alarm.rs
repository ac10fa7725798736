//! Wakes the ticker: whoever makes something due says when.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::wheel::Wheel;

/// Later moments are left to the ticker's next look at the table.
pub(crate) const HORIZON: Duration = Duration::from_secs(3);

/// The wheel, shared; clones are the same one. A lost wake-up costs the time to
/// the next look.
#[derive(Clone, Debug, Default)]
pub struct Alarm {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wheel: Mutex<Wheel>,
    /// The next moment may be another one than before.
    changed: Notify,
}

// === impl Alarm ===

impl Alarm {
    /// Something is due at this moment. Where that is far away nothing happens yet.
    pub fn set(&self, at: Timestamp) {
        let mut wheel = self.shared.wheel.lock();
        let added = wheel.is_near(at, HORIZON) && wheel.add(at);
        drop(wheel);
        if added {
            self.shared.changed.notify_one();
        }
    }

    /// What a look at the table found.
    pub(super) fn set_all(&self, heard: Instant, now: Timestamp, moments: &[Timestamp]) {
        let mut wheel = self.shared.wheel.lock();
        wheel.observe(heard, now);
        for moment in moments {
            wheel.add(*moment);
        }
        metrics::gauge!("due_wheel_moments", "service" => "notification").set(wheel.len() as f64);
    }

    /// A claim took everything that was due at `now`.
    pub(super) fn passed(&self, heard: Instant, now: Timestamp) {
        let mut wheel = self.shared.wheel.lock();
        wheel.observe(heard, now);
        wheel.passed(now);
    }

    /// The next moment, if one is near.
    pub(super) fn next(&self) -> Option<Instant> {
        self.shared.wheel.lock().next()
    }

    /// The earliest moment that was not asked for yet, near or passed.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.shared.wheel.lock().first()
    }

    /// Waits until the next moment may be another one.
    pub(super) async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}
