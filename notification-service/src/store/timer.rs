//! `due_work`, as the timers of an account.

use chassis::fault::Fault;
use jiff::Timestamp;
use uuid::Uuid;

use super::{DUE_CHANNEL, Store};
use crate::model::{Kind, TimerPage, TimerState, TimerView};

/// Whose timers a caller may see by id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    /// Those of this account.
    pub(crate) account_id: Option<Uuid>,
    /// And those of nobody.
    pub(crate) public: bool,
}

struct Row {
    work_id: Uuid,
    url: Option<String>,
    state: String,
    time_left: i64,
    attempts: i32,
    last_status: i32,
    fired_at: Option<jiff_sqlx::Timestamp>,
    due_at: jiff_sqlx::Timestamp,
    created_at: jiff_sqlx::Timestamp,
}

impl Row {
    /// An open row whose time has come counts as being delivered.
    fn view(self) -> TimerView {
        let state = match self.state.as_str() {
            "done" => TimerState::Delivered,
            "failed" => TimerState::Failed,
            "cancelled" => TimerState::Cancelled,
            _ if self.time_left > 0 => TimerState::Waiting,
            _ => TimerState::Delivering,
        };
        let time_left = if state == TimerState::Waiting { self.time_left.unsigned_abs() } else { 0 };
        TimerView {
            timer_id: self.work_id,
            time_left,
            state,
            attempts: self.attempts.unsigned_abs(),
            last_status: self.last_status.unsigned_abs(),
            fired_at: self.fired_at.map(jiff_sqlx::Timestamp::to_jiff),
            due_at: self.due_at.to_jiff(),
            url: self.url.unwrap_or_default(),
            created_at: self.created_at.to_jiff(),
        }
    }
}

impl Store {
    /// A timer, if the caller may see it.
    pub(crate) async fn timer(
        &self,
        kind: Kind,
        timer_id: Uuid,
        sight: Sight,
    ) -> Result<Option<TimerView>, Fault> {
        let row = sqlx::query_as!(
            Row,
            r#"
            select d.work_id, d.payload ->> 'url' as url, d.state,
                ceil(extract(epoch from d.due_at - clock.now))::bigint as "time_left!",
                d.attempts, d.last_status, d.fired_at, d.due_at, d.created_at
            from due_work d, (select app_now() as now) as clock
            where d.work_id = $1 and d.kind = $2
                and (d.account_id = $3 or (d.account_id is null and $4))
            "#,
            timer_id,
            kind.0,
            sight.account_id,
            sight.public,
        );
        Ok(row.fetch_optional(self.pool()).await?.map(Row::view))
    }

    /// A page of an account's timers, newest first.
    pub(crate) async fn timers(
        &self,
        kind: Kind,
        account_id: Uuid,
        page: TimerPage,
    ) -> Result<Vec<TimerView>, Fault> {
        let (before_at, before_id) = page.before.unwrap_or((Timestamp::MAX, Uuid::max()));
        let rows = sqlx::query_as!(
            Row,
            r#"
            with clock as materialized (select app_now() as now)
            select d.work_id, d.payload ->> 'url' as url, d.state,
                ceil(extract(epoch from d.due_at - clock.now))::bigint as "time_left!",
                d.attempts, d.last_status, d.fired_at, d.due_at, d.created_at
            from due_work d, clock
            where d.account_id = $1 and d.kind = $2 and (d.created_at, d.work_id) < ($3, $4)
                and case $5::text
                    when '' then true
                    when 'waiting' then d.state = 'open' and d.due_at > clock.now
                    when 'delivering' then d.state = 'open' and d.due_at <= clock.now
                    when 'delivered' then d.state = 'done'
                    else d.state = $5
                end
            order by d.created_at desc, d.work_id desc
            limit $6
            "#,
            account_id,
            kind.0,
            jiff_sqlx::Timestamp::from(before_at) as jiff_sqlx::Timestamp,
            before_id,
            page.state.map_or("", TimerState::as_str),
            page.limit,
        );
        Ok(rows.fetch_all(self.pool()).await?.into_iter().map(Row::view).collect())
    }

    /// Takes a timer back before its time; answers its state then, none when
    /// the account has no such timer. One that is cancelled stays so.
    pub(crate) async fn cancel_timer(
        &self,
        kind: Kind,
        timer_id: Uuid,
        account_id: Uuid,
    ) -> Result<Option<bool>, Fault> {
        let row = sqlx::query!(
            r#"
            with clock as materialized (select app_now() as now),
            cancelled as (
                update due_work d set state = 'cancelled', finished_at = clock.now
                from clock
                where d.work_id = $1 and d.kind = $2 and d.account_id = $3 and d.state = 'open'
                    and d.due_at > clock.now
                returning d.work_id
            )
            select d.state = 'cancelled' or exists (select from cancelled) as "cancelled!"
            from due_work d where d.work_id = $1 and d.kind = $2 and d.account_id = $3
            "#,
            timer_id,
            kind.0,
            account_id,
        );
        Ok(row.fetch_optional(self.pool()).await?.map(|row| row.cancelled))
    }

    /// A dead letter again, due at once; answers whether it was one, none when
    /// the account has no such timer.
    pub(crate) async fn resend_timer(
        &self,
        kind: Kind,
        timer_id: Uuid,
        account_id: Uuid,
    ) -> Result<Option<bool>, Fault> {
        let row = sqlx::query!(
            r#"
            with clock as materialized (select app_now() as now),
            again as (
                update due_work d set state = 'open', failures = 0, next_at = clock.now, finished_at = null
                from clock
                where d.work_id = $1 and d.kind = $2 and d.account_id = $3 and d.state = 'failed'
                returning d.next_at
            ),
            wake as materialized (
                select pg_notify($4, (extract(epoch from next_at) * 1000000)::bigint::text) from again
            )
            select (select count(*) from wake) > 0 as "again!"
            from due_work d where d.work_id = $1 and d.kind = $2 and d.account_id = $3
            "#,
            timer_id,
            kind.0,
            account_id,
            DUE_CHANNEL,
        );
        Ok(row.fetch_optional(self.pool()).await?.map(|row| row.again))
    }
}
