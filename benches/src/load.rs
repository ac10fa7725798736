//! A closed loop: so many callers, each with one request at a time.

use std::time::Duration;

use anyhow::Result;
use chassis::clock::{Clock as _, SystemClock};
use futures::future::try_join_all;

use crate::latency::Latencies;

/// Someone who asks, waits for the answer, and checks it.
pub trait Caller: Send + 'static {
    /// One request. An error ends the program: the figures would be of failures.
    fn call(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What a load did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Answered requests.
    pub requests: u64,
    /// How long the load ran.
    pub elapsed: Duration,
    /// Of each request.
    pub latencies: Latencies,
}

/// Lets `callers` ask for `time`, and gives them back for the next round.
pub async fn run<C: Caller>(callers: Vec<C>, time: Duration) -> Result<(Vec<C>, Outcome)> {
    let started = SystemClock.monotonic();
    let tasks = callers.into_iter().map(|mut caller| {
        tokio::spawn(async move {
            let mut latencies = Latencies::default();
            let mut requests = 0;
            let mut now = started;
            while now - started < time {
                caller.call().await?;
                let after = SystemClock.monotonic();
                latencies.record(after - now);
                requests += 1;
                now = after;
            }
            anyhow::Ok((caller, requests, latencies))
        })
    });
    let ended = try_join_all(tasks).await?;
    let mut outcome = Outcome { elapsed: SystemClock.monotonic() - started, ..Outcome::default() };
    let mut callers = Vec::with_capacity(ended.len());
    for result in ended {
        let (caller, requests, latencies) = result?;
        callers.push(caller);
        outcome.requests += requests;
        outcome.latencies.merge(latencies);
    }
    Ok((callers, outcome))
}

// === impl Outcome ===

impl Outcome {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// Adds another round of the same load.
    pub fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.elapsed += other.elapsed;
        self.latencies.merge(other.latencies);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    struct Counter {
        calls: u64,
        fails_at: u64,
    }

    impl Caller for Counter {
        async fn call(&mut self) -> Result<()> {
            tokio::task::yield_now().await;
            self.calls += 1;
            ensure!(self.calls != self.fails_at, "refused");
            Ok(())
        }
    }

    #[tokio::test]
    async fn every_answer_is_counted_once() {
        let callers = (0..3).map(|_| Counter { calls: 0, fails_at: 0 }).collect();
        let (callers, outcome) = run(callers, Duration::from_millis(5)).await.expect("no failure");
        assert_eq!(outcome.requests, callers.iter().map(|caller| caller.calls).sum::<u64>());
        assert!(outcome.requests >= 3 && outcome.rate() > 0.0);
    }

    #[tokio::test]
    async fn a_failure_is_told() {
        let callers = vec![Counter { calls: 0, fails_at: 2 }];
        assert!(run(callers, Duration::from_hours(1)).await.is_err());
    }
}
