//! `events`: one event, for those who are members of its calendar. Nobody sees
//! one that is pending.

use chassis::{fault::Fault, postgres::ensure_rows};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Store, Tx,
    column::{from_minutes, role, to_minutes},
};
use crate::{
    ical::Columns,
    model::{EventView, Instant, Role, When, Zone},
};

/// The index of an event, as reads get it.
#[derive(Clone, Debug)]
pub struct EventRow {
    pub(super) event_id: Uuid,
    pub(super) calendar_id: Uuid,
    pub(super) calendar_name: String,
    pub(super) summary: String,
    pub(super) starts_at: Instant,
    pub(super) ends_at: Instant,
    pub(super) time_zone: String,
    pub(super) all_day: bool,
    pub(super) location: String,
    pub(super) description: String,
    pub(super) reminders: Vec<i32>,
    pub(super) participant_names: Vec<String>,
    pub(super) created_by_name: String,
    pub(super) revision: i64,
    pub(super) seq: i64,
    pub(super) created_at: jiff_sqlx::Timestamp,
    pub(super) updated_at: jiff_sqlx::Timestamp,
}

/// An event with its object, for those who are about to change it.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// The event.
    pub event_id: Uuid,
    /// Its calendar.
    pub calendar_id: Uuid,
    /// The iCalendar object.
    pub ical: String,
    /// Who created it.
    pub created_by: Uuid,
    /// The creator's username.
    pub created_by_name: String,
    /// Accounts.
    pub participants: Vec<Uuid>,
    /// Counts its changes.
    pub revision: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// The calendar's default, in minutes.
    pub default_reminders: Vec<u32>,
    /// The reader's role.
    pub role: Role,
    /// The database's clock.
    pub now: Timestamp,
}

// === impl EventRow ===

impl EventRow {
    /// Its place in the order of a window.
    pub const fn place(&self) -> (Instant, Uuid) {
        (self.starts_at, self.event_id)
    }

    /// The first and the last day as clients see them; none of an event of hours.
    pub(super) fn days(&self) -> Option<(String, String)> {
        if !self.all_day {
            return None;
        }
        let zone = Zone::find(&self.time_zone).unwrap_or_else(Zone::utc);
        let when = When::from_columns(self.starts_at, self.ends_at, zone, true);
        Some((when.start_text(), when.end_text()))
    }

    /// The event as clients see it. Nothing is parsed but the zone of whole days.
    pub fn into_view(self) -> EventView {
        let times = || (self.starts_at.to_rfc3339(), self.ends_at.to_rfc3339());
        let (event_start, event_end) = self.days().unwrap_or_else(times);
        EventView {
            event_id: self.event_id,
            calendar_id: self.calendar_id,
            calendar_name: self.calendar_name,
            event_name: self.summary,
            event_start,
            event_end,
            time_zone: self.time_zone,
            all_day: self.all_day,
            location: self.location,
            description: self.description,
            participants: self.participant_names,
            reminders: from_minutes(self.reminders),
            created_by: self.created_by_name,
            etag: etag(self.revision),
            created_at: self.created_at.to_jiff().to_string(),
            updated_at: self.updated_at.to_jiff().to_string(),
            seq: self.seq,
        }
    }
}

/// The etag of a revision. Opaque to clients.
pub(crate) fn etag(revision: i64) -> String {
    format!("r{revision}")
}

impl Store {
    /// One event. None to strangers, foreign and absent alike.
    pub async fn event(&self, event_id: Uuid, account_id: Uuid) -> Result<Option<EventRow>, Fault> {
        let row = sqlx::query_as!(
            EventRow,
            r#"
            select e.event_id, e.calendar_id, c.calendar_name, e.summary, e.starts_at as "starts_at: Instant",
                e.ends_at as "ends_at: Instant", e.time_zone, e.all_day, e.location, e.description,
                case when e.names_reminders then e.reminders else c.default_reminders end as "reminders!",
                e.participant_names, e.created_by_name, e.revision, e.seq,
                e.created_at as "created_at: jiff_sqlx::Timestamp", e.updated_at as "updated_at: jiff_sqlx::Timestamp"
            from events e join calendars c using (calendar_id)
            where e.event_id = $1 and e.state = 'confirmed' and c.deleted_at is null
                and exists (select from members m where m.calendar_id = e.calendar_id and m.account_id = $2)
            "#,
            event_id,
            account_id,
        );
        Ok(row.fetch_optional(self.pool()).await?)
    }

    /// One event with its object. None to strangers, foreign and absent alike.
    pub async fn stored_event(&self, event_id: Uuid, account_id: Uuid) -> Result<Option<StoredEvent>, Fault> {
        let row = sqlx::query!(
            r#"
            select e.calendar_id, e.ical, e.created_by, e.created_by_name, e.participants, e.revision,
                e.created_at as "created_at: jiff_sqlx::Timestamp", c.default_reminders, m.role,
                app_now() as "now!: jiff_sqlx::Timestamp"
            from events e
            join calendars c using (calendar_id)
            join members m on m.calendar_id = e.calendar_id and m.account_id = $2
            where e.event_id = $1 and e.state = 'confirmed' and c.deleted_at is null
            "#,
            event_id,
            account_id,
        )
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            Ok(StoredEvent {
                event_id,
                calendar_id: row.calendar_id,
                ical: row.ical,
                created_by: row.created_by,
                created_by_name: row.created_by_name,
                participants: row.participants,
                revision: row.revision,
                created_at: row.created_at.to_jiff(),
                default_reminders: from_minutes(row.default_reminders),
                role: role(&row.role)?,
                now: row.now.to_jiff(),
            })
        })
        .transpose()
    }
}

impl Tx {
    /// The revision of an event in a calendar that is entered; none when it is gone.
    pub async fn event_revision(&mut self, calendar_id: Uuid, event_id: Uuid) -> Result<Option<i64>, Fault> {
        let revision = sqlx::query_scalar!(
            "select revision from events where event_id = $1 and calendar_id = $2 and state = 'confirmed'",
            event_id,
            calendar_id,
        );
        Ok(revision.fetch_optional(&mut *self.inner).await?)
    }

    /// Writes the next revision of an event in a calendar that is entered; `seq`
    /// is that of the change that says so.
    pub async fn update_event(
        &mut self,
        event_id: Uuid,
        (ical, columns): (&str, &Columns),
        participant_names: &[String],
        (seq, at): (i64, Timestamp),
    ) -> Result<(), Fault> {
        let done = sqlx::query!(
            r#"
            update events set
                ical = $2, summary = $3, starts_at = $4, ends_at = $5, time_zone = $6, all_day = $7, location = $8,
                description = $9, reminders = $10, participants = $11, participant_names = $12, sequence = $13,
                status = $14, revision = revision + 1, seq = $15, updated_at = $16, names_reminders = $17
            where event_id = $1
            "#,
            event_id,
            ical,
            columns.summary,
            columns.when.starts_at() as Instant,
            columns.when.ends_at() as Instant,
            columns.when.zone().name(),
            columns.when.is_all_day(),
            columns.location,
            columns.description,
            &to_minutes(columns.reminders.as_deref().unwrap_or_default()),
            &columns.participants,
            participant_names,
            columns.sequence,
            columns.status,
            seq,
            jiff_sqlx::Timestamp::from(at) as jiff_sqlx::Timestamp,
            columns.reminders.is_some(),
        );
        ensure_rows(&done.execute(&mut *self.inner).await?, 1)
    }

    /// Deletes an event in a calendar that is entered.
    pub async fn delete_event(&mut self, event_id: Uuid) -> Result<(), Fault> {
        let done = sqlx::query!("delete from events where event_id = $1", event_id);
        ensure_rows(&done.execute(&mut *self.inner).await?, 1)
    }
}
