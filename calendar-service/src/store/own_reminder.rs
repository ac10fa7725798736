//! `own_reminders`: what members chose for themselves.

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Tx, column::to_minutes};

impl Tx {
    /// Keeps a member's choice for an event of a calendar that is entered;
    /// `seq` is the calendar's last.
    pub async fn choose_reminders(
        &mut self,
        event_id: Uuid,
        account_id: Uuid,
        minutes: &[u32],
        (calendar_id, seq): (Uuid, i64),
    ) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            insert into own_reminders (event_id, account_id, calendar_id, minutes, chosen_seq)
            values ($1, $2, $3, $4, $5)
            on conflict on constraint own_reminder_key do update
                set minutes = excluded.minutes, chosen_seq = excluded.chosen_seq
            "#,
            event_id,
            account_id,
            calendar_id,
            &to_minutes(minutes),
            seq,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// From now on the event's reminders hold for this member.
    pub async fn unchoose_reminders(&mut self, event_id: Uuid, account_id: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            "delete from own_reminders where event_id = $1 and account_id = $2",
            event_id,
            account_id,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Forgets at most `limit` choices that an account made in a calendar before
    /// its departure `seq`; answers how many. They concern nobody any more: that
    /// notification-service may still know their minutes does no harm.
    pub async fn forget_choices(
        &mut self,
        calendar_id: Uuid,
        account_id: Uuid,
        seq: i64,
        limit: i64,
    ) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from own_reminders where (event_id, account_id) in (
                select event_id, account_id from own_reminders
                where account_id = $2 and calendar_id = $1 and chosen_seq < $3
                limit $4
            )
            "#,
            calendar_id,
            account_id,
            seq,
            limit,
        );
        Ok(done.execute(&mut *self.inner).await?.rows_affected())
    }
}
