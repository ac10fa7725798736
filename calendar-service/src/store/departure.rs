//! What follows when an account leaves a calendar, or a calendar goes: nobody
//! is a participant who is not a member, and auth-service hears of it. Bounded
//! statements; a job in the outbox goes on where one is not enough.

use chassis::fault::Fault;
use uuid::Uuid;

use super::Tx;

impl Tx {
    /// Takes an account that left off the participants of at most `limit`
    /// events that were written before its departure `seq`, and queues the word
    /// to auth-service. The calendar is locked. Answers how many events that were.
    pub async fn withdraw_participant(
        &mut self,
        calendar_id: Uuid,
        account_id: Uuid,
        seq: i64,
        limit: i64,
    ) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            with left_behind as (
                select event_id from events
                where calendar_id = $1 and state = 'confirmed' and seq < $3 and $2 = any (participants)
                order by event_id
                limit $4
            ), withdrawn as (
                update events e set
                    participants = array_remove(e.participants, $2),
                    participant_names = coalesce((
                        select array_agg(m.username order by p.place)
                        from unnest(e.participants) with ordinality as p (account_id, place)
                        join members m on m.calendar_id = e.calendar_id and m.account_id = p.account_id
                    ), '{}'),
                    -- Our ATTENDEE lines are short: never folded.
                    ical = regexp_replace(e.ical, '^ATTENDEE[^\r\n]*:urn:uuid:' || $2::uuid || '\r\n', '', 'gn'),
                    revision = e.revision + 1,
                    -- The change that made this revision is the departure itself.
                    seq = $3,
                    updated_at = app_now()
                from left_behind l
                where e.event_id = l.event_id
                returning e.event_id, e.revision, e.participants
            ), counted as (
                update calendars set withdrawals = withdrawals + 1
                where calendar_id = $1 and exists (select from withdrawn)
            )
            insert into outbox (key, kind, payload)
            select event_id, 'set_participants', jsonb_build_object('revision', revision, 'account_ids', participants)
            from withdrawn
            "#,
            calendar_id,
            account_id,
            seq,
            limit,
        );
        Ok(done.execute(&mut *self.inner).await?.rows_affected())
    }

    /// Queues the word that the next `limit` events (by id, after `after`) of a
    /// deleted calendar have no participants any more, and no reminders where
    /// those are still to come. Answers the last of them; none when there were
    /// fewer than `limit`.
    pub async fn withdraw_events(
        &mut self,
        calendar_id: Uuid,
        after: Uuid,
        limit: i64,
    ) -> Result<Option<Uuid>, Fault> {
        let row = sqlx::query!(
            r#"
            with gone as (
                update events e set
                    revision = e.revision + 1,
                    reminder_revision = e.reminder_revision + next.reminded::int
                from (
                    select event_id, reminder_revision > 0 and starts_at > app_now() as reminded from events
                    where calendar_id = $1 and state = 'confirmed' and event_id > $2
                    order by event_id
                    limit $3
                ) next
                where e.event_id = next.event_id
                returning e.event_id, e.revision, e.reminder_revision, next.reminded
            ), unreminded as (
                insert into outbox (lane, key, kind, payload)
                select 'reminders', event_id, 'set_reminders', jsonb_build_object('revision', reminder_revision)
                from gone where reminded
            ), queued as (
                insert into outbox (key, kind, payload)
                select event_id, 'set_participants', jsonb_build_object('revision', revision, 'account_ids', '[]'::jsonb)
                from gone
            )
            select (select event_id from gone order by event_id desc limit 1) as last, (select count(*) from gone) as "count!"
            "#,
            calendar_id,
            after,
            limit,
        );
        let row = row.fetch_one(&mut *self.inner).await?;
        Ok(row.last.filter(|_| row.count == limit))
    }
}
