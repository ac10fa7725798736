//! `calendars`: rooms and their settings.

use chassis::{
    fault::{Fault, Reason},
    postgres::on_constraint,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Store, Tx,
    column::{from_minutes, role, to_minutes},
};
use crate::model::{CalendarView, Membership, Role, fold};

/// A calendar to be.
pub struct CalendarRow<'a> {
    /// A fresh id.
    pub calendar_id: Uuid,
    /// Checked.
    pub calendar_name: &'a str,
    /// PHC string.
    pub password_hash: &'a str,
    /// IANA name.
    pub time_zone: &'a str,
    /// `#rrggbb`, or empty.
    pub color: &'a str,
}

/// Settings to be; none: as they are.
#[derive(Default)]
pub struct SettingsRow {
    /// Checked.
    pub calendar_name: Option<String>,
    /// PHC string.
    pub password_hash: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// `#rrggbb`, or empty.
    pub color: Option<String>,
    /// Minutes before the start.
    pub default_reminders: Option<Vec<u32>>,
}

/// A calendar found by its name, and the seeker's place in it.
pub struct FoundCalendar {
    /// The calendar.
    pub calendar_id: Uuid,
    /// As its owner spelt it.
    pub calendar_name: String,
    /// PHC string.
    pub password_hash: String,
    /// The seq of the newest change.
    pub last_seq: i64,
    /// Minutes before the start, for events that name none.
    pub default_reminders: Vec<u32>,
    /// The seeker's role, if they are in.
    pub role: Option<Role>,
    /// Whether the seeker was removed.
    pub barred: bool,
    /// The database's clock.
    pub now: Timestamp,
}

/// The constraint that says a name is taken.
const NAME_KEY: &str = "calendar_name_key";

fn taken() -> Fault {
    Fault::of(Reason::CalendarNameTaken)
}

impl Store {
    /// The calendar of this name, and the account's place in it.
    pub async fn find_calendar(&self, name: &str, account_id: Uuid) -> Result<Option<FoundCalendar>, Fault> {
        let row = sqlx::query!(
            r#"
            select c.calendar_id, c.calendar_name, c.password_hash, c.last_seq, c.default_reminders,
                m.role as "role?", b.account_id is not null as "barred!", app_now() as "now!: jiff_sqlx::Timestamp"
            from calendars c
            left join members m on m.calendar_id = c.calendar_id and m.account_id = $2
            left join barred_members b on b.calendar_id = c.calendar_id and b.account_id = $2
            where c.name_key = $1 and c.deleted_at is null
            "#,
            fold(name),
            account_id,
        )
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            Ok(FoundCalendar {
                calendar_id: row.calendar_id,
                calendar_name: row.calendar_name,
                password_hash: row.password_hash,
                last_seq: row.last_seq,
                default_reminders: from_minutes(row.default_reminders),
                role: row.role.as_deref().map(role).transpose()?,
                barred: row.barred,
                now: row.now.to_jiff(),
            })
        })
        .transpose()
    }

    /// The calendars an account is in, by name.
    pub async fn calendars(&self, account_id: Uuid) -> Result<Vec<CalendarView>, Fault> {
        let rows = sqlx::query!(
            r#"
            select c.calendar_id, c.calendar_name, c.time_zone, c.color, c.default_reminders, c.last_seq, m.role,
                c.created_at as "created_at: jiff_sqlx::Timestamp",
                (select count(*) from members o where o.calendar_id = c.calendar_id) as "member_count!"
            from members m join calendars c using (calendar_id)
            where m.account_id = $1 and c.deleted_at is null
            order by c.name_key
            "#,
            account_id,
        )
        .fetch_all(self.pool())
        .await?;
        let views = rows.into_iter().map(|row| {
            Ok(CalendarView {
                calendar_id: row.calendar_id,
                calendar_name: row.calendar_name,
                time_zone: row.time_zone,
                color: row.color,
                default_reminders: from_minutes(row.default_reminders),
                role: role(&row.role)?,
                member_count: row.member_count as u32,
                last_seq: row.last_seq,
                created_at: row.created_at.to_jiff(),
            })
        });
        views.collect()
    }
}

impl Tx {
    /// Enters a calendar to change something in it: locks its row to the end of
    /// the transaction, and tells the account's place in it as of then. None to
    /// strangers, foreign and absent alike.
    pub async fn enter(&mut self, calendar_id: Uuid, account_id: Uuid) -> Result<Option<Membership>, Fault> {
        // The member's row is locked too: only then is it read as of the lock
        // when the calendar's row had to be waited for.
        let row = sqlx::query!(
            r#"
            select c.calendar_name, c.last_seq, m.role
            from calendars c join members m using (calendar_id)
            where c.calendar_id = $1 and m.account_id = $2 and c.deleted_at is null
            for no key update of c for share of m
            "#,
            calendar_id,
            account_id,
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        row.map(|row| {
            Ok(Membership {
                calendar_id,
                calendar_name: row.calendar_name.into(),
                role: role(&row.role)?,
                last_seq: row.last_seq,
            })
        })
        .transpose()
    }

    /// Locks a calendar for nobody in particular; answers its `last_seq`. None
    /// when it is gone.
    pub async fn lock_calendar(&mut self, calendar_id: Uuid) -> Result<Option<i64>, Fault> {
        let row = sqlx::query_scalar!(
            "select last_seq from calendars where calendar_id = $1 and deleted_at is null for no key update",
            calendar_id,
        );
        Ok(row.fetch_optional(&mut *self.inner).await?)
    }

    /// Adds a calendar; answers when it was created. `calendar_name_taken`.
    pub async fn insert_calendar(&mut self, new: &CalendarRow<'_>) -> Result<Timestamp, Fault> {
        let created = sqlx::query_scalar!(
            r#"
            insert into calendars (calendar_id, calendar_name, name_key, password_hash, time_zone, color)
            values ($1, $2, $3, $4, $5, $6)
            returning created_at as "created_at: jiff_sqlx::Timestamp"
            "#,
            new.calendar_id,
            new.calendar_name,
            fold(new.calendar_name),
            new.password_hash,
            new.time_zone,
            new.color,
        )
        .fetch_one(&mut *self.inner)
        .await;
        Ok(on_constraint(created, NAME_KEY, taken)?.to_jiff())
    }

    /// Changes settings of a calendar that is locked; answers them all, as its
    /// member sees them. `calendar_name_taken`.
    pub async fn update_settings(
        &mut self,
        place: &Membership,
        new: &SettingsRow,
    ) -> Result<CalendarView, Fault> {
        let reminders = new.default_reminders.as_deref().map(to_minutes);
        let row = sqlx::query!(
            r#"
            update calendars c set
                calendar_name = coalesce($2, calendar_name),
                name_key = coalesce($3, name_key),
                password_hash = coalesce($4, password_hash),
                time_zone = coalesce($5, time_zone),
                color = coalesce($6, color),
                default_reminders = coalesce($7, default_reminders)
            where calendar_id = $1
            returning calendar_name, time_zone, color, default_reminders, last_seq,
                created_at as "created_at: jiff_sqlx::Timestamp",
                (select count(*) from members m where m.calendar_id = c.calendar_id) as "member_count!"
            "#,
            place.calendar_id,
            new.calendar_name.as_deref(),
            new.calendar_name.as_deref().map(fold),
            new.password_hash.as_deref(),
            new.time_zone.as_deref(),
            new.color.as_deref(),
            reminders.as_deref(),
        )
        .fetch_one(&mut *self.inner)
        .await;
        let row = on_constraint(row, NAME_KEY, taken)?;
        Ok(CalendarView {
            calendar_id: place.calendar_id,
            calendar_name: row.calendar_name,
            time_zone: row.time_zone,
            color: row.color,
            default_reminders: from_minutes(row.default_reminders),
            role: place.role,
            member_count: row.member_count as u32,
            last_seq: row.last_seq,
            created_at: row.created_at.to_jiff(),
        })
    }

    /// Takes a calendar from everybody; its rows stay for 30 days, its name is free.
    pub async fn delete_calendar(&mut self, calendar_id: Uuid) -> Result<(), Fault> {
        sqlx::query!("update calendars set deleted_at = app_now() where calendar_id = $1", calendar_id)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
