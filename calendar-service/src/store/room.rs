//! `calendars`, as the keeper of a room reads it.

use std::sync::Arc;

use chassis::fault::Fault;
use uuid::Uuid;

use super::Store;

/// Where a room begins.
#[derive(Clone, Debug)]
pub struct RoomStart {
    /// The calendar's name.
    pub calendar_name: String,
    /// The seq of its newest change.
    pub last_seq: i64,
}

impl Store {
    /// Name and newest seq of a calendar, at one instant; `None` when it is gone.
    pub async fn room_start(&self, calendar_id: Uuid) -> Result<Option<RoomStart>, Fault> {
        let row = sqlx::query_as!(
            RoomStart,
            "select calendar_name, last_seq from calendars where calendar_id = $1 and deleted_at is null",
            calendar_id
        )
        .fetch_optional(self.pool())
        .await?;
        Ok(row)
    }

    /// The calendar that has this name now.
    pub async fn calendar_named(&self, name_key: &str) -> Result<Option<Uuid>, Fault> {
        let calendar_id = sqlx::query_scalar!(
            "select calendar_id from calendars where name_key = $1 and deleted_at is null",
            name_key
        )
        .fetch_optional(self.pool())
        .await?;
        Ok(calendar_id)
    }

    /// Who of these accounts is a member of which of these calendars.
    pub async fn members_among_rooms(
        &self,
        calendar_ids: &[Uuid],
        account_ids: &[Uuid],
    ) -> Result<Vec<(Uuid, Uuid, Arc<str>)>, Fault> {
        let rows = sqlx::query!(
            r#"
            select calendar_id, account_id, username from members
            where account_id = any ($2) and calendar_id = any ($1)
            "#,
            calendar_ids,
            account_ids,
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|row| (row.calendar_id, row.account_id, row.username.into())).collect())
    }

    /// Everybody who shares a calendar with this account, itself included.
    pub async fn companions(&self, account_id: Uuid) -> Result<Vec<Uuid>, Fault> {
        let companions = sqlx::query_scalar!(
            "select distinct other.account_id
             from members mine join members other using (calendar_id)
             where mine.account_id = $1",
            account_id
        )
        .fetch_all(self.pool())
        .await?;
        Ok(companions)
    }

    /// Whether the account left the calendar by one of the changes after
    /// `after`, up to `upto`.
    pub async fn left_between(
        &self,
        calendar_id: Uuid,
        account_id: Uuid,
        after: i64,
        upto: i64,
    ) -> Result<bool, Fault> {
        let left = sqlx::query_scalar!(
            r#"
            select exists (
                select from calendar_changes
                where calendar_id = $1 and seq > $3 and seq <= $4
                  and kind = 'member_left' and subject = $2
            ) as "left!"
            "#,
            calendar_id,
            account_id,
            after,
            upto,
        )
        .fetch_one(self.pool())
        .await?;
        Ok(left)
    }
}
