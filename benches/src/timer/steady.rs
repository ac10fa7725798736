//! Timers at an even rate: each call at its time, whatever the others take.

use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Scheduler;
use crate::load::Caller as _;

/// Lets the callers together set `per_second` timers for `seconds`; answers how
/// many they set. They take turns, so that the timers are even in time.
pub async fn steady(callers: Vec<Scheduler>, per_second: u32, seconds: u32) -> Result<usize> {
    let count = callers.len() as u32;
    let each = Duration::from_secs(1) * count / per_second;
    let calls = per_second * seconds / count;
    let begin = Instant::now() + Duration::from_millis(100);
    let tasks = callers.into_iter().zip(0..count).map(|(mut caller, number)| {
        tokio::spawn(async move {
            let mut turns = interval_at(begin + each * number / count, each);
            // Late by a stall, they catch up: the rate is what is promised.
            turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for _ in 0..calls {
                turns.tick().await;
                caller.call().await?;
            }
            anyhow::Ok(())
        })
    });
    for ended in try_join_all(tasks).await? {
        ended?;
    }
    Ok((calls * count) as usize)
}
