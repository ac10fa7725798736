//! Malformed lines: each is counted, one a second is logged.

use std::{net::SocketAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::relay::{metrics, wire::Malformed};

/// Between two lines in the log.
const PAUSE: Duration = Duration::from_secs(1);

/// What was logged last, and how much was not.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    last: Option<Instant>,
    suppressed: u64,
}

// === impl Complaints ===

impl Complaints {
    /// A source has sent a malformed line of so many bytes.
    pub(super) fn about(&self, source: SocketAddr, malformed: Malformed, length: usize) {
        metrics::malformed(malformed.fault);
        let Some(suppressed) = self.turn(Instant::now()) else { return };
        let Malformed { seq, fault } = malformed;
        tracing::warn!(%source, seq, fault = fault.name(), length, suppressed, "malformed line");
    }

    /// How many were not logged before this one; `None` when it is not logged either.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut log = self.log.lock();
        if log.last.is_some_and(|last| now - last < PAUSE) {
            log.suppressed += 1;
            return None;
        }
        log.last = Some(now);
        Some(std::mem::take(&mut log.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_tells_of_those_between() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.turn(start), Some(0));
        assert_eq!(complaints.turn(start + PAUSE / 2), None);
        assert_eq!(complaints.turn(start + PAUSE / 2), None);
        assert_eq!(complaints.turn(start + PAUSE), Some(2));
    }
}
