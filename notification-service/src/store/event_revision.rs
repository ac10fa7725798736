//! `event_revisions`, and the reminders of an event in `due_work`.

use chassis::fault::Fault;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{DUE_CHANNEL, Tx};
use crate::model::Kind;

/// A reminder to be.
#[derive(Debug)]
pub(crate) struct NewReminder {
    /// When it is due.
    pub(crate) due_at: Timestamp,
    /// What its handler needs.
    pub(crate) payload: Value,
}

impl Tx {
    /// Takes note of a revision; false: it is not greater than the one known.
    pub(crate) async fn advance_revision(&mut self, event_id: Uuid, revision: i64) -> Result<bool, Fault> {
        let done = sqlx::query!(
            r#"
            insert into event_revisions as r (event_id, revision, changed_at) values ($1, $2, app_now())
            on conflict (event_id) do update set revision = excluded.revision, changed_at = excluded.changed_at
            where r.revision < excluded.revision
            "#,
            event_id,
            revision,
        );
        Ok(done.execute(&mut *self.inner).await?.rows_affected() == 1)
    }

    /// Makes these the reminders of an event. What stays as it was stays planned,
    /// also when it is overdue; what is new and has passed already is left out.
    /// Answers when the new ones are due.
    pub(crate) async fn replace_reminders(
        &mut self,
        event_id: Uuid,
        (kind, lane): (Kind, &str),
        reminders: &[NewReminder],
    ) -> Result<Vec<Timestamp>, Fault> {
        let ids: Vec<Uuid> = reminders.iter().map(|_| Uuid::now_v7()).collect();
        let due_at: Vec<jiff_sqlx::Timestamp> =
            reminders.iter().map(|reminder| jiff_sqlx::Timestamp::from(reminder.due_at)).collect();
        let payloads: Vec<Value> = reminders.iter().map(|reminder| reminder.payload.clone()).collect();
        sqlx::query!(
            r#"
            delete from due_work
            where subject = $1 and kind = $2 and state = 'open' and payload <> all($3::jsonb[])
            "#,
            event_id,
            kind.0,
            &payloads,
        )
        .execute(&mut *self.inner)
        .await?;
        let planned = sqlx::query!(
            r#"
            with clock as materialized (select app_now() as now),
            made as (
                insert into due_work (work_id, kind, subject, payload, lane, due_at, next_at, created_at)
                select n.work_id, $2, $1, n.payload, $3, n.due_at, n.due_at, clock.now
                from unnest($4::uuid[], $5::timestamptz[], $6::jsonb[]) as n (work_id, due_at, payload), clock
                where n.due_at > clock.now and not exists (
                    select from due_work d
                    where d.subject = $1 and d.kind = $2 and d.state = 'open' and d.payload = n.payload
                )
                returning due_at, created_at
            ),
            wake as materialized (
                select pg_notify($7, (extract(epoch from m.due_at) * 1000000)::bigint::text) from made m
                where m.due_at < m.created_at + interval '3 seconds'
            )
            select due_at, (select count(*) from wake) as woken from made
            "#,
            event_id,
            kind.0,
            lane,
            &ids,
            &due_at as &[jiff_sqlx::Timestamp],
            &payloads,
            DUE_CHANNEL,
        );
        let planned = planned.fetch_all(&mut *self.inner).await?;
        Ok(planned.into_iter().map(|row| row.due_at.to_jiff()).collect())
    }
}
