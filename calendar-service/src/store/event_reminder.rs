//! The reminders of `events`: what notification-service must know, and whom a
//! reminder that is due concerns.
//!
//! The minutes of an event are its own where it names any (be it none), else
//! its calendar's. A member's own choice goes before them.

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx, column::from_minutes};
use crate::model::Instant;

/// What notification-service is told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownReminders {
    /// Counts the changes of all this.
    pub revision: i64,
    /// The event's start.
    pub starts_at: Instant,
    /// Its end.
    pub ends_at: Instant,
    /// Everybody's minutes, ascending, each once; none when the event is gone.
    pub minutes: Vec<u32>,
}

/// An event that a reminder is of.
#[derive(Clone, Debug)]
pub struct RemindedEvent {
    /// Its name.
    pub name: String,
    /// Its calendar's name.
    pub calendar_name: String,
    /// Its start now.
    pub starts_at: Instant,
    /// Its end now.
    pub ends_at: Instant,
}

/// How far a walk through a calendar's events has come: start and id.
pub type Place = (Instant, Uuid);

impl Tx {
    /// Queues the word that the reminders of an event are others, unless nobody
    /// has heard of them and none lies in the future.
    pub async fn queue_reminders(&mut self, event_id: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            with next as (
                update events e set reminder_revision = e.reminder_revision + 1
                from calendars c
                where e.event_id = $1 and e.state = 'confirmed' and c.calendar_id = e.calendar_id
                    and (e.reminder_revision > 0 or exists (
                        select from (
                            select unnest(case when e.names_reminders then e.reminders else c.default_reminders end)
                            union all
                            select unnest(o.minutes) from own_reminders o where o.event_id = e.event_id
                        ) as wanted (minutes)
                        where e.starts_at - make_interval(mins => wanted.minutes) > app_now()
                    ))
                returning e.event_id, e.reminder_revision
            )
            insert into outbox (lane, key, kind, payload)
            select 'reminders', event_id, 'set_reminders', jsonb_build_object('revision', reminder_revision) from next
            "#,
            event_id,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The same for an event that is about to be deleted.
    pub async fn queue_no_reminders(&mut self, event_id: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            insert into outbox (lane, key, kind, payload)
            select 'reminders', event_id, 'set_reminders',
                jsonb_build_object('revision', reminder_revision + 1, 'gone', true)
            from events where event_id = $1 and reminder_revision > 0
            "#,
            event_id,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Queues the word for the next `limit` future events of a calendar, in the
    /// order of their start: those that follow the calendar's default, or all.
    /// Answers the last of them; none when there were fewer than `limit`.
    pub async fn queue_reminders_of(
        &mut self,
        calendar_id: Uuid,
        all: bool,
        after: Option<Place>,
        limit: i64,
    ) -> Result<Option<Place>, Fault> {
        let (after_start, after_id) = after.unzip();
        let row = sqlx::query!(
            r#"
            with next as (
                select e.event_id, e.starts_at from events e
                where e.calendar_id = $1 and e.state = 'confirmed' and e.starts_at > app_now()
                    and (e.starts_at, e.event_id) > (
                        coalesce($3::timestamptz, '-infinity'),
                        coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
                    )
                    and ($2 or not e.names_reminders)
                order by e.starts_at, e.event_id
                limit $5
            ), changed as (
                update events e set reminder_revision = e.reminder_revision + 1
                from next, calendars c
                where e.event_id = next.event_id and c.calendar_id = e.calendar_id
                    -- Nobody need hear of an event that has no reminders and never had.
                    and (e.reminder_revision > 0
                        or cardinality(case when e.names_reminders then e.reminders else c.default_reminders end) > 0)
                returning e.event_id, e.reminder_revision
            ), queued as (
                insert into outbox (lane, key, kind, payload)
                select 'reminders', event_id, 'set_reminders', jsonb_build_object('revision', reminder_revision)
                from changed
            )
            select count(*) as "count!", max(starts_at) as "starts_at: Instant",
                (select event_id from next order by starts_at desc, event_id desc limit 1) as event_id
            from next
            "#,
            calendar_id,
            all,
            after_start as Option<Instant>,
            after_id,
            limit,
        );
        let row = row.fetch_one(&mut *self.inner).await?;
        Ok(row.starts_at.zip(row.event_id).filter(|_| row.count == limit))
    }

    /// An event that is there for its calendar's members.
    pub async fn reminded_event(&mut self, event_id: Uuid) -> Result<Option<RemindedEvent>, Fault> {
        let row = sqlx::query_as!(
            RemindedEvent,
            r#"
            select e.summary as name, c.calendar_name, e.starts_at as "starts_at: Instant", e.ends_at as "ends_at: Instant"
            from events e join calendars c using (calendar_id)
            where e.event_id = $1 and e.state = 'confirmed' and c.deleted_at is null
            "#,
            event_id,
        );
        Ok(row.fetch_optional(&mut *self.inner).await?)
    }

    /// The members who want to hear of an event so many minutes before it.
    pub async fn reminded_members(&mut self, event_id: Uuid, minutes: u32) -> Result<Vec<Uuid>, Fault> {
        let accounts = sqlx::query_scalar!(
            r#"
            select m.account_id
            from events e
            join calendars c using (calendar_id)
            join members m using (calendar_id)
            left join own_reminders o on o.event_id = e.event_id and o.account_id = m.account_id
            where e.event_id = $1 and e.state = 'confirmed' and c.deleted_at is null
                and $2 = any (coalesce(
                    o.minutes,
                    case when e.names_reminders then e.reminders else c.default_reminders end
                ))
            "#,
            event_id,
            i32::try_from(minutes).unwrap_or(i32::MAX),
        );
        Ok(accounts.fetch_all(&mut *self.inner).await?)
    }

    /// What a member hears of an event without a choice of their own.
    pub async fn event_minutes(&mut self, event_id: Uuid) -> Result<Vec<u32>, Fault> {
        let minutes = sqlx::query_scalar!(
            r#"
            select case when e.names_reminders then e.reminders else c.default_reminders end as "minutes!"
            from events e join calendars c using (calendar_id)
            where e.event_id = $1
            "#,
            event_id,
        );
        Ok(minutes.fetch_optional(&mut *self.inner).await?.map(from_minutes).unwrap_or_default())
    }
}

impl Store {
    /// What notification-service is to know of an event now; none when it is gone.
    pub async fn known_reminders(&self, event_id: Uuid) -> Result<Option<KnownReminders>, Fault> {
        let row = sqlx::query!(
            r#"
            select e.reminder_revision, e.starts_at as "starts_at: Instant", e.ends_at as "ends_at: Instant",
                case when c.deleted_at is null then array(
                    select distinct minutes from (
                        select unnest(case when e.names_reminders then e.reminders else c.default_reminders end)
                        union all
                        select unnest(o.minutes) from own_reminders o where o.event_id = e.event_id
                    ) as wanted (minutes)
                    order by minutes
                ) else '{}' end as "minutes!: Vec<i32>"
            from events e join calendars c using (calendar_id)
            where e.event_id = $1
            "#,
            event_id,
        );
        let row = row.fetch_optional(self.pool()).await?;
        Ok(row.map(|row| KnownReminders {
            revision: row.reminder_revision,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            minutes: from_minutes(row.minutes),
        }))
    }

    /// The calendar of an event, for one of its members. None to strangers,
    /// foreign and absent alike.
    pub async fn calendar_of(&self, event_id: Uuid, account_id: Uuid) -> Result<Option<Uuid>, Fault> {
        let calendar_id = sqlx::query_scalar!(
            r#"
            select e.calendar_id from events e
            join calendars c using (calendar_id)
            join members m using (calendar_id)
            where e.event_id = $1 and e.state = 'confirmed' and c.deleted_at is null and m.account_id = $2
            "#,
            event_id,
            account_id,
        );
        Ok(calendar_id.fetch_optional(self.pool()).await?)
    }
}
