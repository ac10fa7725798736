//! `notifications` on their way out: in order per device, at least once.

use chassis::fault::Fault;
use uuid::Uuid;

use super::Store;
use crate::model::Device;

/// A notification that this instance may deliver until its lease ends.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The same on every try.
    pub notification_id: Uuid,
    /// Whose.
    pub device: Device,
    /// What it says.
    pub message: String,
    /// Tries so far.
    pub attempts: i32,
    /// The fencing token of this claim.
    pub fence: i64,
}

impl Store {
    /// Claims the first waiting notification of each of at most `limit`
    /// devices, where it is due and the rules have seen all that had arrived by
    /// then: it may hold what makes the notification needless.
    pub async fn claim_notifications(&self, limit: i64, lease: f64) -> Result<Vec<Outgoing>, Fault> {
        let rows = sqlx::query!(
            r#"
            with clock as materialized (
                select app_now() as now
            ), heads as (
                select n.notification_id from notifications n
                where n.outcome is null and n.next_attempt_at <= (select now from clock)
                    and (n.lease_until is null or n.lease_until <= (select now from clock))
                    and not exists (
                        select from notifications p
                        where p.account_id = n.account_id and p.device_id = n.device_id and p.outcome is null
                            and (p.due_at, p.notification_id) < (n.due_at, n.notification_id)
                    )
                    and not exists (
                        select from devices d
                        where d.account_id = n.account_id and d.device_id = n.device_id
                            and d.received > d.processed and d.waiting_since <= n.due_at
                    )
                order by n.next_attempt_at limit $1
                for update skip locked
            )
            update notifications n set lease_until = app_now() + make_interval(secs => $2), fence = n.fence + 1
            from heads where n.notification_id = heads.notification_id
            returning n.notification_id, n.account_id, n.device_id, n.message, n.attempts, n.fence
            "#,
            limit,
            lease,
        );
        let rows = rows.fetch_all(self.pool()).await?;
        let claims = rows.into_iter().map(|row| Outgoing {
            notification_id: row.notification_id,
            device: Device { account_id: row.account_id, device_id: row.device_id },
            message: row.message,
            attempts: row.attempts,
            fence: row.fence,
        });
        Ok(claims.collect())
    }

    /// Records a delivery, also of one that was cancelled while it went out;
    /// false: the claim is not ours any more.
    pub async fn settle_notification(&self, claim: &Outgoing) -> Result<bool, Fault> {
        let done = sqlx::query!(
            r#"
            update notifications set outcome = 'delivered', ended_at = app_now(), lease_until = null,
                attempts = attempts + 1
            where notification_id = $1 and fence = $2 and outcome is distinct from 'delivered'
            "#,
            claim.notification_id,
            claim.fence,
        );
        Ok(done.execute(self.pool()).await?.rows_affected() == 1)
    }

    /// A try failed: the next comes after `delay` seconds.
    pub async fn postpone_notification(&self, claim: &Outgoing, delay: f64) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            update notifications set attempts = attempts + 1, lease_until = null,
                next_attempt_at = app_now() + make_interval(secs => $3)
            where notification_id = $1 and fence = $2 and outcome is null
            "#,
            claim.notification_id,
            claim.fence,
            delay,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
