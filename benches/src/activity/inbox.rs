//! What lies in the inbox, read off the database.

use std::time::Duration;

use anyhow::{Result, ensure};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than any backlog here takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// The inbox of activity-service.
#[derive(Clone, Debug)]
pub struct Inbox {
    pool: PgPool,
}

// === impl Inbox ===

impl Inbox {
    /// The one in this database.
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Events that are committed.
    pub async fn kept(&self) -> Result<u64> {
        let kept: i64 =
            sqlx::query_scalar("select count(*) from device_events").fetch_one(&self.pool).await?;
        Ok(kept as u64)
    }

    /// Events that the rules have not seen.
    pub async fn depth(&self) -> Result<u64> {
        let depth =
            "select coalesce(sum(received - processed), 0)::bigint from devices where received > processed";
        let depth: i64 = sqlx::query_scalar(depth).fetch_one(&self.pool).await?;
        Ok(depth as u64)
    }

    /// Waits until it is empty; answers how long that took.
    pub async fn drained(&self) -> Result<Duration> {
        let begun = Instant::now();
        while self.depth().await? > 0 {
            ensure!(begun.elapsed() < PATIENCE, "the rules do not come to an end");
            sleep(LOOK).await;
        }
        Ok(begun.elapsed())
    }
}
