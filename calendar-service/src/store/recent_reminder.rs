//! `recent_reminders` and `heard_reminders`: what `scheduleEvent` scheduled and
//! was delivered in the last minutes, and which accounts heard it.

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx};
use crate::model::ScheduledReminder;

/// Seconds for which a reminder is handed to those who come too late for it.
pub const RECENT_SECONDS: f64 = 15.0 * 60.0;

/// Who hears a reminder that names no calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earshot {
    /// Everybody.
    Everybody,
    /// Who shares a calendar with whoever scheduled it, themselves included.
    Companions,
    /// Whoever scheduled it.
    Scheduler,
}

// === impl Earshot ===

impl Earshot {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Companions => "companions",
            Self::Scheduler => "scheduler",
        }
    }
}

impl Tx {
    /// Keeps a reminder that is delivered now.
    pub async fn keep_recent(&mut self, reminder: &ScheduledReminder) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            insert into recent_reminders (delivery_id, name, time, calendar_id, account_id, late)
            values ($1, $2, $3, $4, $5, $6)
            "#,
            reminder.id,
            reminder.name,
            reminder.time,
            reminder.calendar_id,
            reminder.account_id,
            reminder.late,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The reminders that are still handed to who comes, the newest first, at
    /// most `limit`: id, and seconds since the delivery.
    pub async fn recent_ids(&self, limit: i64) -> Result<Vec<(String, f64)>, Fault> {
        let rows = sqlx::query!(
            r#"
            select delivery_id, extract(epoch from app_now() - delivered_at)::float8 as "age!"
            from recent_reminders
            where delivered_at > app_now() - make_interval(secs => $1)
            order by delivered_at desc
            limit $2
            "#,
            RECENT_SECONDS,
            limit,
        );
        Ok(rows.fetch_all(self.pool()).await?.into_iter().map(|row| (row.delivery_id, row.age)).collect())
    }

    /// One of them.
    pub async fn recent_reminder(&self, id: &str) -> Result<Option<ScheduledReminder>, Fault> {
        let row = sqlx::query_as!(
            ScheduledReminder,
            r#"
            select delivery_id as id, name, time, calendar_id, account_id, late
            from recent_reminders where delivery_id = $1
            "#,
            id,
        );
        Ok(row.fetch_optional(self.pool()).await?)
    }

    /// Those of these accounts whom a reminder concerns.
    pub async fn concerned_by(
        &self,
        reminder: &ScheduledReminder,
        earshot: Earshot,
        accounts: &[Uuid],
    ) -> Result<Vec<Uuid>, Fault> {
        if reminder.calendar_id.is_none() && earshot == Earshot::Everybody {
            return Ok(accounts.to_vec());
        }
        let concerned = sqlx::query_scalar!(
            r#"
            select who.account_id as "account_id!"
            from unnest($1::uuid[]) as who (account_id)
            where case
                when $2::uuid is not null then exists (
                    select from members m join calendars c using (calendar_id)
                    where m.calendar_id = $2 and m.account_id = who.account_id and c.deleted_at is null
                )
                when who.account_id = $3 then true
                when $4 = 'companions' then exists (
                    select from members mine
                    join members other using (calendar_id)
                    join calendars c using (calendar_id)
                    where mine.account_id = $3 and other.account_id = who.account_id and c.deleted_at is null
                )
                else false
            end
            "#,
            accounts,
            reminder.calendar_id,
            reminder.account_id,
            earshot.as_str(),
        );
        Ok(concerned.fetch_all(self.pool()).await?)
    }

    /// The recent reminders that concern these accounts and that they have not
    /// heard: account and reminder, oldest first, at most `limit`.
    pub async fn unheard(
        &self,
        accounts: &[Uuid],
        earshot: Earshot,
        limit: i64,
    ) -> Result<Vec<(Uuid, ScheduledReminder)>, Fault> {
        let rows = sqlx::query!(
            r#"
            select who.account_id as "who!", r.delivery_id, r.name, r.time, r.calendar_id, r.account_id, r.late
            from recent_reminders r
            cross join unnest($1::uuid[]) as who (account_id)
            where r.delivered_at > app_now() - make_interval(secs => $2)
                and not exists (
                    select from heard_reminders h
                    where h.delivery_id = r.delivery_id and h.account_id = who.account_id
                )
                and case
                    when r.calendar_id is not null then exists (
                        select from members m join calendars c using (calendar_id)
                        where m.calendar_id = r.calendar_id and m.account_id = who.account_id and c.deleted_at is null
                    )
                    when $3 = 'everybody' or who.account_id = r.account_id then true
                    when $3 = 'companions' then exists (
                        select from members mine
                        join members other using (calendar_id)
                        join calendars c using (calendar_id)
                        where mine.account_id = r.account_id and other.account_id = who.account_id
                            and c.deleted_at is null
                    )
                    else false
                end
            order by r.delivered_at
            limit $4
            "#,
            accounts,
            RECENT_SECONDS,
            earshot.as_str(),
            limit,
        );
        let rows = rows.fetch_all(self.pool()).await?.into_iter().map(|row| {
            let reminder = ScheduledReminder {
                id: row.delivery_id,
                name: row.name,
                time: row.time,
                calendar_id: row.calendar_id,
                account_id: row.account_id,
                late: row.late,
            };
            (row.who, reminder)
        });
        Ok(rows.collect())
    }

    /// These accounts heard a reminder.
    pub async fn mark_heard(&self, id: &str, accounts: &[Uuid]) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            insert into heard_reminders (delivery_id, account_id)
            select r.delivery_id, who.account_id
            from recent_reminders r cross join unnest($2::uuid[]) as who (account_id)
            where r.delivery_id = $1
            on conflict do nothing
            "#,
            id,
            accounts,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
