//! `events` in a window of time, in the order of their start. Membership is in
//! the statement: where there is no standby to relieve the primary, a small read is one
//! round trip.
//!
//! Windows are half-open and an overlap counts; an event without length counts
//! at its instant. What is at most a week long starts within the week before
//! the window or in it: that range of `event_window` serves it. What is longer
//! and began before that range comes from its own small index.

use chassis::fault::Fault;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{EventRow, Known, Store};
use crate::model::Instant;

/// From an instant to an instant; none: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first instant.
    pub from: Option<Instant>,
    /// The instant after the last.
    pub to: Option<Instant>,
}

/// A page of a window: at most `limit` events after the event at `after` (its start and id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowPage {
    /// The window.
    pub window: Window,
    /// Where the page before ended.
    pub after: Option<(Instant, Uuid)>,
    /// The longest page.
    pub limit: i64,
}

impl Store {
    /// A page of one calendar. Nothing for strangers. A standby that is as far as what is known may answer.
    pub async fn events_of(
        &self,
        calendar_id: Uuid,
        account_id: Uuid,
        page: WindowPage,
        known: Option<&[Known]>,
    ) -> Result<Vec<EventRow>, Fault> {
        if let Some(known) = known
            && let Some(standby) = self.standby(known).await
        {
            let read = async |on: &mut PgConnection| events_of(on, calendar_id, account_id, page).await;
            if let Some(rows) = standby.answer(read).await {
                return Ok(rows);
            }
        }
        let mut line = self.pool().line().await?;
        let rows = events_of(&mut line, calendar_id, account_id, page).await?;
        line.keep();
        Ok(rows)
    }

    /// The events of all calendars the account is in, or of the one with this
    /// name key; at most `limit`. A standby that is as far as what is known may answer.
    pub async fn events_joined(
        &self,
        account_id: Uuid,
        name_key: Option<&str>,
        (window, limit): (Window, i64),
        known: Option<&[Known]>,
    ) -> Result<Vec<EventRow>, Fault> {
        // Of those alone: a standby may not have heard yet that the account left another one, and what it joined since is
        // not what was known.
        let among: Option<Vec<_>> = known.map(|known| known.iter().map(|known| known.calendar_id).collect());
        if let Some(known) = known
            && let Some(standby) = self.standby(known).await
        {
            let read = async |on: &mut PgConnection| {
                events_joined(on, account_id, name_key, among.as_deref(), (window, limit)).await
            };
            if let Some(rows) = standby.answer(read).await {
                return Ok(rows);
            }
        }
        let mut line = self.pool().line().await?;
        let rows = events_joined(&mut line, account_id, name_key, among.as_deref(), (window, limit)).await?;
        line.keep();
        Ok(rows)
    }
}

async fn events_joined(
    on: &mut PgConnection,
    account_id: Uuid,
    name_key: Option<&str>,
    among: Option<&[Uuid]>,
    (window, limit): (Window, i64),
) -> Result<Vec<EventRow>, sqlx::Error> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"
        select e.event_id as "event_id!", e.calendar_id as "calendar_id!", c.calendar_name, e.summary as "summary!",
            e.starts_at as "starts_at!: Instant", e.ends_at as "ends_at!: Instant", e.time_zone as "time_zone!",
            e.all_day as "all_day!", e.location as "location!", e.description as "description!",
            case when e.names_reminders then e.reminders else c.default_reminders end as "reminders!", e.participant_names as "participant_names!",
            e.created_by_name as "created_by_name!", e.revision as "revision!", e.seq as "seq!",
            e.created_at as "created_at!: jiff_sqlx::Timestamp", e.updated_at as "updated_at!: jiff_sqlx::Timestamp"
        from members m
        join calendars c on c.calendar_id = m.calendar_id and c.deleted_at is null
        join lateral (
            select * from events near
            where near.calendar_id = m.calendar_id and near.state = 'confirmed'
                and near.starts_at > coalesce($3::timestamptz, '-infinity') - interval '7 days'
                and near.starts_at < coalesce($4::timestamptz, 'infinity')
                and (near.ends_at > coalesce($3::timestamptz, '-infinity') or near.starts_at >= $3)
            union all
            select * from events far
            where far.calendar_id = m.calendar_id and far.state = 'confirmed' and far.is_long
                and far.ends_at > $3
                and far.starts_at <= $3 - interval '7 days'
                and far.starts_at < coalesce($4::timestamptz, 'infinity')
        ) e on true
        where m.account_id = $1 and ($2::text is null or c.name_key = $2)
            and ($6::uuid[] is null or c.calendar_id = any ($6))
        order by e.starts_at, e.event_id
        limit $5
        "#,
        account_id,
        name_key,
        window.from as Option<Instant>,
        window.to as Option<Instant>,
        limit,
        among,
    );
    rows.fetch_all(on).await
}

async fn events_of(
    on: &mut PgConnection,
    calendar_id: Uuid,
    account_id: Uuid,
    page: WindowPage,
) -> Result<Vec<EventRow>, sqlx::Error> {
    let (after_start, after_id) = page.after.unzip();
    let rows = sqlx::query_as!(
        EventRow,
        r#"
        select e.event_id as "event_id!", e.calendar_id as "calendar_id!", c.calendar_name, e.summary as "summary!",
            e.starts_at as "starts_at!: Instant", e.ends_at as "ends_at!: Instant", e.time_zone as "time_zone!",
            e.all_day as "all_day!", e.location as "location!", e.description as "description!",
            case when e.names_reminders then e.reminders else c.default_reminders end as "reminders!", e.participant_names as "participant_names!",
            e.created_by_name as "created_by_name!", e.revision as "revision!", e.seq as "seq!",
            e.created_at as "created_at!: jiff_sqlx::Timestamp", e.updated_at as "updated_at!: jiff_sqlx::Timestamp"
        from calendars c
        join members m on m.calendar_id = c.calendar_id and m.account_id = $2
        join lateral (
            -- Each part in the order of the index, and no longer than the page.
            (select * from events near
            where near.calendar_id = $1 and near.state = 'confirmed'
                and near.starts_at > coalesce($3::timestamptz, '-infinity') - interval '7 days'
                and near.starts_at < coalesce($4::timestamptz, 'infinity')
                and (near.ends_at > coalesce($3::timestamptz, '-infinity') or near.starts_at >= $3)
                and (near.starts_at, near.event_id) > (
                    coalesce($5::timestamptz, '-infinity'),
                    coalesce($6::uuid, '00000000-0000-0000-0000-000000000000')
                )
            order by near.starts_at, near.event_id
            limit $7)
            union all
            (select * from events far
            where far.calendar_id = $1 and far.state = 'confirmed' and far.is_long
                and far.ends_at > $3
                and far.starts_at <= $3 - interval '7 days'
                and far.starts_at < coalesce($4::timestamptz, 'infinity')
                and (far.starts_at, far.event_id) > (
                    coalesce($5::timestamptz, '-infinity'),
                    coalesce($6::uuid, '00000000-0000-0000-0000-000000000000')
                )
            order by far.starts_at, far.event_id
            limit $7)
        ) e on true
        where c.calendar_id = $1 and c.deleted_at is null
        order by e.starts_at, e.event_id
        limit $7
        "#,
        calendar_id,
        account_id,
        page.window.from as Option<Instant>,
        page.window.to as Option<Instant>,
        after_start as Option<Instant>,
        after_id,
        page.limit,
    );
    rows.fetch_all(on).await
}
