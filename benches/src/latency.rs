//! How long things took.

use std::time::Duration;

/// Samples of one load; kept whole, so every percentile is exact.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    nanos: Vec<u64>,
}

// === impl Latencies ===

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        self.nanos.push(latency.as_nanos() as u64);
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
    }

    /// The nearest-rank percentile, `percent` in 0..=100; zero when there is none.
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut sorted = self.nanos.clone();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        let index = rank.saturating_sub(1);
        if index >= sorted.len() {
            return Duration::ZERO;
        }
        let (_, nanos, _) = sorted.select_nth_unstable(index);
        Duration::from_nanos(*nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50.0), Duration::ZERO);
        for millis in (1..=100).rev() {
            latencies.record(Duration::from_millis(millis));
        }
        assert_eq!(latencies.percentile(0.0), Duration::from_millis(1));
        assert_eq!(latencies.percentile(50.0), Duration::from_millis(50));
        assert_eq!(latencies.percentile(99.0), Duration::from_millis(99));
        assert_eq!(latencies.percentile(100.0), Duration::from_millis(100));
    }
}
