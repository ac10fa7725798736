//! `outbox`: what other services must hear, and our own follow-up jobs.

use chassis::fault::Fault;
use serde_json::Value;
use uuid::Uuid;

use super::{Store, Tx};

/// Rows that wait for the same service. Those of one lane never wait for those
/// of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// auth-service, and jobs of our own.
    Accounts,
    /// notification-service, and jobs that queue words to it.
    Reminders,
}

/// A row that this instance may deliver until its lease ends.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its place in the order.
    pub outbox_id: i64,
    /// What it is about; rows of one key go in order.
    pub key: Uuid,
    /// The handler.
    pub kind: String,
    /// What the handler needs.
    pub payload: Value,
    /// Failed tries so far.
    pub attempts: i32,
    /// The fencing token of this claim.
    pub fence: i64,
}

// === impl Lane ===

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 2] = [Self::Accounts, Self::Reminders];

    /// The spelling in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Reminders => "reminders",
        }
    }
}

impl Tx {
    /// Queues a message with the change it follows.
    pub async fn queue(&mut self, lane: Lane, key: Uuid, kind: &str, payload: Value) -> Result<(), Fault> {
        sqlx::query!(
            "insert into outbox (lane, key, kind, payload) values ($1, $2, $3, $4)",
            lane.as_str(),
            key,
            kind,
            payload,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Records a delivery; false: the claim is not ours any more.
    pub async fn outbox_delivered(&mut self, row: &OutboxRow) -> Result<bool, Fault> {
        let done = sqlx::query!(
            r#"
            update outbox set delivered_at = app_now(), lease_until = null
            where outbox_id = $1 and fence = $2 and delivered_at is null
            "#,
            row.outbox_id,
            row.fence,
        );
        Ok(done.execute(&mut *self.inner).await?.rows_affected() == 1)
    }

    /// A job did a part: it goes on with this payload; false: not ours any more.
    pub async fn outbox_continue(&mut self, row: &OutboxRow, payload: Value) -> Result<bool, Fault> {
        let done = sqlx::query!(
            r#"
            update outbox set payload = $3, attempts = 0, lease_until = null
            where outbox_id = $1 and fence = $2 and delivered_at is null
            "#,
            row.outbox_id,
            row.fence,
            payload,
        );
        Ok(done.execute(&mut *self.inner).await?.rows_affected() == 1)
    }

    /// The participants of this saga's event are confirmed: it is over.
    pub async fn finish_saga(&mut self, saga_id: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            update sagas set state = 'confirmed', finished_at = app_now()
            where saga_id = $1 and state = 'confirming'
            "#,
            saga_id,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Claims the first undelivered row of each of at most `limit` keys of a
    /// lane, where it is due.
    pub async fn claim_outbox(&self, lane: Lane, limit: i64, lease: f64) -> Result<Vec<OutboxRow>, Fault> {
        let rows = sqlx::query_as!(
            OutboxRow,
            r#"
            with heads as (
                select o.outbox_id from outbox o
                where o.lane = $3 and o.delivered_at is null and o.next_attempt_at <= app_now()
                    and (o.lease_until is null or o.lease_until <= app_now())
                    and not exists (
                        select from outbox p
                        where p.lane = o.lane and p.key = o.key and p.delivered_at is null and p.outbox_id < o.outbox_id
                    )
                order by o.next_attempt_at
                limit $1
                for update skip locked
            )
            update outbox o set lease_until = app_now() + make_interval(secs => $2), fence = o.fence + 1
            from heads where o.outbox_id = heads.outbox_id
            returning o.outbox_id, o.key, o.kind, o.payload, o.attempts, o.fence
            "#,
            limit,
            lease,
            lane.as_str(),
        );
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// A delivery failed: the next try comes after `delay` seconds.
    pub async fn postpone_outbox(&self, row: &OutboxRow, delay: f64) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            update outbox set attempts = attempts + 1, lease_until = null,
                next_attempt_at = app_now() + make_interval(secs => $3)
            where outbox_id = $1 and fence = $2 and delivered_at is null
            "#,
            row.outbox_id,
            row.fence,
            delay,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// How many rows of a lane wait, and the age of the oldest in seconds.
    pub async fn outbox_depth(&self, lane: Lane) -> Result<(i64, f64), Fault> {
        let row = sqlx::query!(
            r#"
            select count(*) as "count!",
                coalesce(extract(epoch from app_now() - min(created_at)), 0)::float8 as "age!"
            from outbox where lane = $1 and delivered_at is null
            "#,
            lane.as_str(),
        );
        let row = row.fetch_one(self.pool()).await?;
        Ok((row.count, row.age))
    }
}
