//! `sagas`: the durable runs of create_event. Each statement here is one
//! durable step; see [`crate::saga`] for the plan.

use std::sync::Arc;

use chassis::fault::Fault;
use jiff::Timestamp;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{
    Store, Tx,
    column::{corrupt, to_minutes},
};
use crate::{
    ical::Columns,
    model::{Change, ChangeKind, Instant, Membership, NewChange},
};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SagaState {
    /// T1 is done, T3 is not.
    Running,
    /// Being undone.
    Aborting,
    /// Its undo keeps failing; still tried, slowly.
    NeedsAttention,
    /// T3 is done, the confirmation is in the outbox.
    Confirming,
    /// Over: the event is there.
    Confirmed,
    /// Over: the event is not there.
    Aborted,
}

/// A run to be, and its event.
pub struct NewSaga<'a> {
    /// A fresh id.
    pub saga_id: Uuid,
    /// A fresh id.
    pub event_id: Uuid,
    /// The calendar.
    pub calendar_id: Uuid,
    /// Who asks.
    pub account_id: Uuid,
    /// Their username.
    pub username: &'a str,
    /// The object and what is derived from it.
    pub ical: (&'a str, &'a Columns),
    /// Usernames, in the order of the columns' participants.
    pub participant_names: &'a [String],
    /// The event's `created_at`.
    pub at: Timestamp,
    /// From T1 to the deadline of T3, in seconds.
    pub patience: f64,
}

/// A run that this instance may work on until its lease ends.
#[derive(Clone, Debug)]
pub struct ClaimedSaga {
    /// The run.
    pub saga_id: Uuid,
    /// Its event.
    pub event_id: Uuid,
    /// Where it is.
    pub state: SagaState,
    /// Failed tries so far.
    pub attempts: i32,
    /// The fencing token of this claim.
    pub fence: i64,
}

// === impl SagaState ===

impl SagaState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Aborting,
        Self::NeedsAttention,
        Self::Confirming,
        Self::Confirmed,
        Self::Aborted,
    ];

    /// The spelling in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Aborting => "aborting",
            Self::NeedsAttention => "needs_attention",
            Self::Confirming => "confirming",
            Self::Confirmed => "confirmed",
            Self::Aborted => "aborted",
        }
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| corrupt("sagas", "state", text))
    }
}

/// T1: the pending event and its run, in one statement, for a member who may
/// write. Answers whether that is still so.
async fn begin_saga(executor: impl PgExecutor<'_>, new: &NewSaga<'_>) -> Result<bool, Fault> {
    let (ical, columns) = new.ical;
    let done = sqlx::query!(
        r#"
        with draft as (
            insert into events (
                event_id, calendar_id, state, ical, uid, summary, starts_at, ends_at, time_zone, all_day, location,
                description, reminders, names_reminders, participants, participant_names, sequence, status,
                created_by, created_by_name, created_at, updated_at
            )
            select $2, c.calendar_id, 'pending', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $22, $16, $17, $18, $19,
                $4, $5, $20, $20
            from calendars c join members m using (calendar_id)
            where c.calendar_id = $3 and c.deleted_at is null
                and m.account_id = $4 and m.role in ('owner', 'editor')
            returning event_id, calendar_id, participants
        )
        insert into sagas
            (saga_id, state, event_id, calendar_id, account_id, username, participants, deadline, next_attempt_at)
        select $1, 'running', event_id, calendar_id, $4, $5, participants, due.at, due.at
        from draft, (select app_now() + make_interval(secs => $21)) as due (at)
        "#,
        new.saga_id,
        new.event_id,
        new.calendar_id,
        new.account_id,
        new.username,
        ical,
        columns.uid,
        columns.summary,
        columns.when.starts_at() as Instant,
        columns.when.ends_at() as Instant,
        columns.when.zone().name(),
        columns.when.is_all_day(),
        columns.location,
        columns.description,
        &to_minutes(columns.reminders.as_deref().unwrap_or_default()),
        &columns.participants,
        new.participant_names,
        columns.sequence,
        columns.status,
        jiff_sqlx::Timestamp::from(new.at) as jiff_sqlx::Timestamp,
        new.patience,
        columns.reminders.is_some(),
    );
    Ok(done.execute(executor).await?.rows_affected() == 1)
}

impl Store {
    /// T1 by itself.
    pub async fn begin_saga(&self, new: &NewSaga<'_>) -> Result<bool, Fault> {
        begin_saga(self.pool(), new).await
    }

    /// Moves a running saga to `aborting`, due now; a request with an idempotency
    /// key may be tried again from now on. False: it is not running (any more).
    pub async fn abort_saga(&self, saga_id: Uuid, reason: &str) -> Result<bool, Fault> {
        let done = sqlx::query_scalar!(
            r#"
            with aborted as (
                update sagas set state = 'aborting', reason = $2, next_attempt_at = app_now()
                where saga_id = $1 and state = 'running'
                returning saga_id
            ), freed as (
                delete from idempotency i using aborted where i.run_id = aborted.saga_id
            )
            select count(*) as "count!" from aborted
            "#,
            saga_id,
            reason,
        );
        Ok(done.fetch_one(self.pool()).await? == 1)
    }

    /// Where a run is; none when there is no such run.
    pub async fn saga_state(&self, saga_id: Uuid) -> Result<Option<SagaState>, Fault> {
        let state = sqlx::query_scalar!("select state from sagas where saga_id = $1", saga_id);
        state.fetch_optional(self.pool()).await?.map(|state| SagaState::parse(&state)).transpose()
    }

    /// Claims runs that must be undone: those being undone whose next try is
    /// due, and running ones past their deadline, whose instance is dead or late.
    pub async fn claim_sagas(&self, limit: i64, lease: f64) -> Result<Vec<ClaimedSaga>, Fault> {
        let rows = sqlx::query!(
            r#"
            with due as (
                select saga_id from sagas
                where state in ('running', 'aborting', 'needs_attention') and next_attempt_at <= app_now()
                    and (lease_until is null or lease_until <= app_now())
                order by next_attempt_at
                limit $1
                for update skip locked
            )
            update sagas s set lease_until = app_now() + make_interval(secs => $2), fence = s.fence + 1
            from due where s.saga_id = due.saga_id
            returning s.saga_id, s.event_id, s.state, s.attempts, s.fence
            "#,
            limit,
            lease,
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ClaimedSaga {
                    saga_id: row.saga_id,
                    event_id: row.event_id,
                    state: SagaState::parse(&row.state)?,
                    attempts: row.attempts,
                    fence: row.fence,
                })
            })
            .collect()
    }

    /// The last step back: the event is discarded and the run is over. False:
    /// the claim is not ours any more.
    pub async fn discard_saga(&self, saga: &ClaimedSaga) -> Result<bool, Fault> {
        let done = sqlx::query_scalar!(
            r#"
            with over as (
                update sagas set state = 'aborted', finished_at = app_now(), lease_until = null
                where saga_id = $1 and fence = $2 and state in ('aborting', 'needs_attention')
                returning event_id
            ), discarded as (
                delete from events e using over where e.event_id = over.event_id and e.state = 'pending'
            )
            select count(*) as "count!" from over
            "#,
            saga.saga_id,
            saga.fence,
        );
        Ok(done.fetch_one(self.pool()).await? == 1)
    }

    /// A try to undo failed: the next one comes after `delay` seconds. Parks the
    /// run where a person sees it when `park`.
    pub async fn postpone_saga(&self, saga: &ClaimedSaga, delay: f64, park: bool) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            update sagas set
                attempts = attempts + 1, lease_until = null,
                next_attempt_at = app_now() + make_interval(secs => $3),
                state = case when $4 and state = 'aborting' then 'needs_attention' else state end
            where saga_id = $1 and fence = $2 and state in ('running', 'aborting', 'needs_attention')
            "#,
            saga.saga_id,
            saga.fence,
            delay,
            park,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// How many runs are in each state that is not over, and the age of the
    /// oldest in seconds.
    pub async fn saga_census(&self) -> Result<Vec<(SagaState, i64, f64)>, Fault> {
        let rows = sqlx::query!(
            r#"
            select state, count(*) as "count!",
                extract(epoch from app_now() - min(created_at))::float8 as "age!"
            from sagas where finished_at is null
            group by state
            "#,
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|row| Ok((SagaState::parse(&row.state)?, row.count, row.age))).collect()
    }
}

impl Tx {
    /// T1, with what else is to become true.
    pub async fn begin_saga(&mut self, new: &NewSaga<'_>) -> Result<bool, Fault> {
        begin_saga(&mut *self.inner, new).await
    }

    /// T3, in a calendar that was entered: the event becomes visible, the log
    /// says so, the outbox holds the confirmation. None, and nothing done, when
    /// the saga is not running any more, its deadline has passed, or a
    /// participant is no member any more.
    pub async fn confirm_saga(
        &mut self,
        saga_id: Uuid,
        place: &Membership,
        change: NewChange,
    ) -> Result<Option<Change>, Fault> {
        let row = sqlx::query!(
            r#"
            with run as (
                update sagas s set state = 'confirming'
                where s.saga_id = $1 and s.state = 'running' and s.deadline > app_now()
                    and not exists (
                        select from unnest(s.participants) as p (account_id)
                        where not exists (
                            select from members m where m.calendar_id = s.calendar_id and m.account_id = p.account_id
                        )
                    )
                returning s.event_id, s.calendar_id
            ), confirmed as (
                update events e set state = 'confirmed', seq = $2::bigint + 1,
                    reminder_revision = exists (
                        select from unnest(
                            case when e.names_reminders then e.reminders else c.default_reminders end
                        ) as wanted (minutes)
                        where e.starts_at - make_interval(mins => wanted.minutes) > app_now()
                    )::int
                from run join calendars c using (calendar_id)
                where e.event_id = run.event_id and e.state = 'pending'
                returning e.event_id, e.calendar_id, e.reminder_revision
            ), cursor as (
                update calendars c set last_seq = c.last_seq + 1
                from confirmed where c.calendar_id = confirmed.calendar_id
                returning c.calendar_id, c.last_seq
            ), queued as (
                insert into outbox (key, kind, payload)
                select event_id, 'confirm_participants', jsonb_build_object('saga_id', $1::uuid) from confirmed
            ), reminded as (
                insert into outbox (lane, key, kind, payload)
                select 'reminders', event_id, 'set_reminders', jsonb_build_object('revision', reminder_revision)
                from confirmed where reminder_revision > 0
            )
            insert into calendar_changes (calendar_id, seq, kind, by_name, payload)
            select calendar_id, last_seq, $3, $4, $5 from cursor
            returning seq, at as "at: jiff_sqlx::Timestamp"
            "#,
            saga_id,
            place.last_seq,
            ChangeKind::EventCreated.as_str(),
            &*change.by,
            change.payload,
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(row.map(|row| Change {
            calendar_id: place.calendar_id,
            seq: row.seq,
            kind: change.kind,
            by: change.by,
            at: row.at.to_jiff(),
            subject: None,
            payload: Arc::from(change.payload),
        }))
    }
}
