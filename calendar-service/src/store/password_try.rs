//! `password_tries`: tries at a calendar's password, counted before the hash.
//!
//! GCRA on the database's clock: a try moves `spent_until` on by one interval
//! and is refused when that would be more than a minute ahead. So N tries at
//! once, then one every 60/N seconds, over all instances together.

use std::time::Duration;

use chassis::fault::{Fault, Reason};
use uuid::Uuid;

use super::{Store, Tx};

/// Seconds a try costs its account in one calendar: five a minute.
const ACCOUNT_COST: f64 = 12.0;
/// Seconds a try costs a calendar: twenty a minute.
const CALENDAR_COST: f64 = 3.0;

impl Store {
    /// Counts a try of the account at the calendar's password. `rate_limited`.
    pub async fn count_try(&self, calendar_id: Uuid, account_id: Uuid) -> Result<(), Fault> {
        let mut tx = self.begin().await?;
        // A refused try does not count: the transaction is dropped. The order is
        // that of the key, as in `refund_try`: no deadlock between them.
        tx.spend(calendar_id, Uuid::nil(), CALENDAR_COST).await?;
        tx.spend(calendar_id, account_id, ACCOUNT_COST).await?;
        tx.commit().await
    }

    /// Takes a try back: the password was right.
    pub async fn refund_try(&self, calendar_id: Uuid, account_id: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            update password_tries
            set spent_until = spent_until
                - make_interval(secs => case when account_id = $2 then $3::float8 else $4::float8 end)
            where calendar_id = $1 and account_id in ($2, '00000000-0000-0000-0000-000000000000')
            "#,
            calendar_id,
            account_id,
            ACCOUNT_COST,
            CALENDAR_COST,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

impl Tx {
    async fn spend(&mut self, calendar_id: Uuid, account_id: Uuid, cost: f64) -> Result<(), Fault> {
        let counted = sqlx::query!(
            r#"
            insert into password_tries as t (calendar_id, account_id, spent_until)
            values ($1, $2, app_now() + make_interval(secs => $3))
            on conflict on constraint password_try_key do update
            set spent_until = greatest(t.spent_until, app_now()) + make_interval(secs => $3)
            where greatest(t.spent_until, app_now()) + make_interval(secs => $3) <= app_now() + interval '1 minute'
            "#,
            calendar_id,
            account_id,
            cost,
        )
        .execute(&mut *self.inner)
        .await?;
        if counted.rows_affected() == 1 {
            return Ok(());
        }
        let fault = Fault::new(Reason::RateLimited, "too many wrong passwords, try again later");
        Err(fault.with_retry_after(Duration::from_secs_f64(cost)))
    }
}
