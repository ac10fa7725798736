//! Password hashes and nothing around them: what bounds logins.

use std::{thread, time::Duration};

use anyhow::{Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use chassis::clock::{Clock as _, SystemClock};

use crate::{latency::Latencies, load::Outcome};

/// Hashes that run at once: as many as auth-service lets run.
const AT_ONCE: usize = 2;

/// Hashes again and again for `time`, at the cost that auth-service stores
/// (PROMISES, rule 14), in memory that is there already: the most that a machine
/// can do.
pub fn run(time: Duration) -> Result<Outcome> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| anyhow!("{error}"))?;
    let started = SystemClock.monotonic();
    let threads = [(); AT_ONCE].map(|()| {
        let params = params.clone();
        thread::spawn(move || {
            let mut memory = vec![Block::new(); params.block_count()];
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let mut hash = [0; 32];
            let mut latencies = Latencies::default();
            let mut requests = 0;
            let mut now = started;
            while now - started < time {
                argon2
                    .hash_password_into_with_memory(b"account password", &[7; 16], &mut hash, &mut memory)
                    .map_err(|error| anyhow!("{error}"))?;
                let after = SystemClock.monotonic();
                latencies.record(after - now);
                requests += 1;
                now = after;
            }
            anyhow::Ok((requests, latencies))
        })
    });
    let mut outcome = Outcome::default();
    for thread in threads {
        let (requests, latencies) = thread.join().map_err(|_| anyhow!("a hash panicked"))??;
        outcome.requests += requests;
        outcome.latencies.merge(latencies);
    }
    outcome.elapsed = SystemClock.monotonic() - started;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_hashes() {
        let outcome = run(Duration::from_millis(1)).expect("the cost is within bounds");
        assert!(outcome.requests >= AT_ONCE as u64);
    }
}
