//! What is over is removed, in bounded statements. Each answers how many rows
//! went; fewer than `limit` means: done for now.

use chassis::fault::Fault;
use sqlx::postgres::PgQueryResult;

use super::{RECENT_SECONDS, Store};

impl Store {
    /// Sagas that ended more than a day ago.
    pub async fn sweep_sagas(&self, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from sagas where saga_id in (
                select saga_id from sagas where finished_at < app_now() - interval '1 day'
                limit $1 for update skip locked
            )
            "#,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }

    /// Messages that were delivered more than an hour ago.
    pub async fn sweep_outbox(&self, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from outbox where outbox_id in (
                select outbox_id from outbox where delivered_at < app_now() - interval '1 hour'
                limit $1 for update skip locked
            )
            "#,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }

    /// Password tries that nobody has to answer for any more.
    pub async fn sweep_password_tries(&self, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from password_tries where (calendar_id, account_id) in (
                select calendar_id, account_id from password_tries where spent_until < app_now()
                limit $1 for update skip locked
            )
            "#,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }

    /// Inbox entries that were seen more than 30 days ago.
    pub async fn sweep_inboxes(&self, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from inbox_entries where (account_id, seq) in (
                select account_id, seq from inbox_entries where seen_at < app_now() - interval '30 days'
                limit $1 for update skip locked
            )
            "#,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }

    /// Ids of deliveries that nobody repeats any more: 30 days.
    pub async fn sweep_deliveries(&self, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from deliveries where delivery_id in (
                select delivery_id from deliveries where at < app_now() - interval '30 days'
                limit $1 for update skip locked
            )
            "#,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }

    /// Reminders that are not recent any more, and who heard them.
    pub async fn sweep_recent_reminders(&self, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from recent_reminders where delivery_id in (
                select delivery_id from recent_reminders
                where delivered_at < app_now() - make_interval(secs => $2)
                limit $1 for update skip locked
            )
            "#,
            limit,
            RECENT_SECONDS,
        );
        rows(done.execute(self.pool()).await)
    }

    /// A part of what belongs to calendars deleted more than 30 days ago, and
    /// the calendars of which nothing is left.
    pub async fn sweep_calendars(&self, limit: i64) -> Result<u64, Fault> {
        let changes = sqlx::query!(
            r#"
            delete from calendar_changes where (calendar_id, seq) in (
                select h.calendar_id, h.seq from calendar_changes h join calendars c using (calendar_id)
                where c.deleted_at < app_now() - interval '30 days' limit $1
            )
            "#,
            limit,
        );
        let changes = rows(changes.execute(self.pool()).await)?;
        let events = sqlx::query!(
            r#"
            delete from events where event_id in (
                select e.event_id from events e join calendars c using (calendar_id)
                where c.deleted_at < app_now() - interval '30 days' limit $1
            )
            "#,
            limit,
        );
        let events = rows(events.execute(self.pool()).await)?;
        let people = sqlx::query!(
            r#"
            with over as (
                select calendar_id from calendars where deleted_at < app_now() - interval '30 days' limit $1
            ), unbarred as (
                delete from barred_members b using over where b.calendar_id = over.calendar_id
            )
            delete from members m using over where m.calendar_id = over.calendar_id
            "#,
            limit,
        );
        people.execute(self.pool()).await?;
        let calendars = sqlx::query!(
            r#"
            delete from calendars where calendar_id in (
                select c.calendar_id from calendars c
                where c.deleted_at < app_now() - interval '30 days'
                    and not exists (select from events e where e.calendar_id = c.calendar_id)
                    and not exists (select from members m where m.calendar_id = c.calendar_id)
                    and not exists (select from barred_members b where b.calendar_id = c.calendar_id)
                    and not exists (select from calendar_changes h where h.calendar_id = c.calendar_id)
                limit $1 for update skip locked
            )
            "#,
            limit,
        );
        Ok(changes + events + rows(calendars.execute(self.pool()).await)?)
    }
}

fn rows(done: Result<PgQueryResult, sqlx::Error>) -> Result<u64, Fault> {
    Ok(done?.rows_affected())
}
