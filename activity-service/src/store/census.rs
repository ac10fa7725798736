//! What waits, for the metrics.

use chassis::fault::Fault;

use super::Store;

/// How much waits, and how long the oldest of it has waited, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Census {
    /// Events that the rules have not seen.
    pub inbox: i64,
    /// The oldest.
    pub inbox_oldest: f64,
    /// Notifications whose time has not come.
    pub ahead: i64,
    /// Notifications that are due and not delivered.
    pub due: i64,
    /// The oldest.
    pub due_oldest: f64,
}

impl Store {
    /// Counts what waits.
    pub async fn census(&self) -> Result<Census, Fault> {
        let inbox = sqlx::query!(
            r#"
            select coalesce(sum(received - processed), 0)::bigint as "count!",
                coalesce(extract(epoch from app_now() - min(waiting_since)), 0)::float8 as "oldest!"
            from devices where received > processed
            "#
        );
        let inbox = inbox.fetch_one(self.pool()).await?;
        let waiting = sqlx::query!(
            r#"
            with clock as materialized (
                select app_now() as now
            )
            select count(*) filter (where due_at > now) as "ahead!", count(*) filter (where due_at <= now) as "due!",
                coalesce(greatest(extract(epoch from max(now) - min(due_at)), 0), 0)::float8 as "oldest!"
            from notifications, clock where outcome is null
            "#
        );
        let waiting = waiting.fetch_one(self.pool()).await?;
        Ok(Census {
            inbox: inbox.count,
            inbox_oldest: inbox.oldest,
            ahead: waiting.ahead,
            due: waiting.due,
            due_oldest: waiting.oldest,
        })
    }
}
