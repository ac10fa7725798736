//! Sessions remembered in this process: for a single gateway.

use std::time::{Duration, Instant};

use futures::{FutureExt as _, future, future::BoxFuture};
use moka::{Expiry, sync::Cache};
use uuid::Uuid;

use super::{ENDED_FOR, LIVE_FOR, SessionCache, Standing};

/// The cache of a process that has no Redis.
pub struct MemorySessions {
    known: Cache<Uuid, Standing>,
}

/// Each kind of knowledge has its own lifetime.
struct Lifetime;

// === impl MemorySessions ===

impl MemorySessions {
    /// Room for this many sessions.
    pub fn new(capacity: u64) -> Self {
        Self { known: Cache::builder().max_capacity(capacity).expire_after(Lifetime).build() }
    }
}

impl SessionCache for MemorySessions {
    fn look(&self, session: Uuid) -> BoxFuture<'_, Option<Standing>> {
        future::ready(self.known.get(&session)).boxed()
    }

    fn fill(&self, session: Uuid, account: Uuid) {
        self.known.entry(session).or_insert(Standing::Live { account });
    }

    fn bury(&self, session: Uuid) -> BoxFuture<'_, ()> {
        self.known.insert(session, Standing::Ended);
        future::ready(()).boxed()
    }
}

// === impl Lifetime ===

impl Lifetime {
    const fn of(standing: Standing) -> Duration {
        match standing {
            Standing::Live { .. } => LIVE_FOR,
            Standing::Ended => ENDED_FOR,
        }
    }
}

impl Expiry<Uuid, Standing> for Lifetime {
    fn expire_after_create(&self, _: &Uuid, value: &Standing, _: Instant) -> Option<Duration> {
        Some(Self::of(*value))
    }

    fn expire_after_update(
        &self,
        _: &Uuid,
        value: &Standing,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(Self::of(*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ended_is_never_overwritten_by_a_late_fill() {
        let (cache, session, account) = (MemorySessions::new(10), Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(cache.look(session).await, None);
        cache.fill(session, account);
        assert_eq!(cache.look(session).await, Some(Standing::Live { account }));
        cache.bury(session).await;
        cache.fill(session, account);
        assert_eq!(cache.look(session).await, Some(Standing::Ended));
    }
}
