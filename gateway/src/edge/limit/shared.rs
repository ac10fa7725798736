//! Small budgets counted in Redis, for all gateways together: governor's GCRA
//! in a script.
//!
//! What a key owes is the life of its key in Redis: no clock is compared with
//! another, and what is whole is gone. Each gateway also counts what it let
//! through itself. While Redis is away that decides; and it is the least that
//! Redis is told at each call, so that one that was emptied forgives nobody more
//! than the others let through: with two gateways a limit holds within twice
//! its figure, whatever happens to Redis (PROMISES, Redis gone).

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use metrics::Counter;
use redis::pipe;

use super::{Budget, Key, LocalStore, Meter, Spent, Store, local::LocalMeter};
use crate::redis_link::RedisLink;

/// The largest figure that is worth a round trip. Those above it are generous:
/// counted by each gateway, they cost nothing.
const SMALL: u32 = 60;
const MINUTE_MS: u32 = 60_000;
const PREFIX: &str = "gateway:limit:";
/// The answer in Redis' own words, for who reads along with `MONITOR`: spent or
/// not, and what is left of the burst or the wait in milliseconds.
const SPEND: &str = "
local interval, burst, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local whole = interval * burst
local owed = math.min(math.max(redis.call('PTTL', KEYS[1]), floor, 0), whole)
if owed + interval > whole then
    return {0, owed + interval - whole}
end
redis.call('SET', KEYS[1], '', 'PX', owed + interval)
return {1, math.floor((whole - owed - interval) / interval)}";

/// Counts small budgets in Redis, the others in process.
pub struct SharedStore {
    link: Arc<RedisLink>,
    local: Arc<LocalStore>,
}

struct SharedMeter {
    link: Arc<RedisLink>,
    local: Arc<LocalMeter>,
    interval_ms: u32,
    counted: Counter,
    alone: Counter,
}

// === impl SharedStore ===

impl SharedStore {
    /// Counts over `link`, and in `local` what Redis cannot or need not.
    pub const fn new(link: Arc<RedisLink>, local: Arc<LocalStore>) -> Self {
        Self { link, local }
    }
}

impl Store for SharedStore {
    fn open(&self, budget: Budget) -> Arc<dyn Meter> {
        if budget.per_minute.get() > SMALL {
            return self.local.open(budget);
        }
        let count = |place: &'static str| {
            metrics::counter!(
                "gateway_limit_counted_total", "service" => "gateway", "budget" => budget.route, "place" => place
            )
        };
        Arc::new(SharedMeter {
            link: Arc::clone(&self.link),
            local: self.local.meter(budget),
            interval_ms: interval_ms(budget.per_minute),
            counted: count("redis"),
            alone: count("process"),
        })
    }
}

/// Rounded up: never more than the figure.
const fn interval_ms(per_minute: NonZeroU32) -> u32 {
    MINUTE_MS.div_ceil(per_minute.get())
}

// === impl SharedMeter ===

impl SharedMeter {
    /// The outcome in Redis; none when it does not say.
    async fn ask(&self, key: Key) -> Option<Spent> {
        let budget = self.local.budget();
        let floor = self.local.owed(key).as_millis() as u64;
        let mut commands = pipe();
        let eval = commands.cmd("EVAL").arg(SPEND).arg(1).arg(name(budget.route, key));
        eval.arg(self.interval_ms).arg(budget.per_minute.get()).arg(floor);
        let ((allowed, figure),): ((u8, u64),) = self.link.run(&commands).await.ok()?;
        Some(if allowed == 1 {
            Spent::Allowed { remaining: figure as u32 }
        } else {
            Spent::Refused { retry_after: Duration::from_millis(figure) }
        })
    }
}

impl Meter for SharedMeter {
    fn budget(&self) -> Budget {
        self.local.budget()
    }

    fn spend(&self, key: Key) -> BoxFuture<'_, Spent> {
        async move {
            let Some(spent) = self.ask(key).await else {
                self.alone.increment(1);
                return self.local.spend_now(key);
            };
            self.counted.increment(1);
            if matches!(spent, Spent::Allowed { .. }) {
                // For the day when Redis is away. It may be full here by a
                // millisecond's difference: Redis has decided.
                let _ = self.local.spend_now(key);
            }
            spent
        }
        .boxed()
    }
}

fn name(route: &str, key: Key) -> String {
    match key {
        Key::Account(account) => format!("{PREFIX}{route}:{account}"),
        Key::Address(address) => format!("{PREFIX}{route}:{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rounding_gives_more_than_the_figure() {
        for per_minute in 1..=SMALL {
            let figure = NonZeroU32::new(per_minute).expect("not zero");
            assert!(u64::from(interval_ms(figure)) * u64::from(per_minute) >= u64::from(MINUTE_MS));
        }
    }
}
