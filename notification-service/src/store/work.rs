//! `due_work`, as use-cases plan it.

use std::time::Duration;

use chassis::fault::Fault;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, Tx};
use crate::model::{Kind, NewWork};

/// Where instances tell each other what is due within the next seconds.
pub(crate) const DUE_CHANNEL: &str = "due_work";

/// When a new piece of work is due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// So long from now, by the database's clock; zero: at once.
    In(Duration),
    /// At this instant, which must lie in the future.
    At(Timestamp),
}

/// A wish that became a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    /// Of this wish, or of the same wish before.
    pub(crate) work_id: Uuid,
    /// When it is due.
    pub(crate) due_at: Timestamp,
    /// When it was planned.
    pub(crate) created_at: Timestamp,
    /// The same wish was there already; nothing changed.
    pub(crate) repeated: bool,
}

impl Store {
    /// Plans a piece of work. None: its time is not in the future.
    pub(crate) async fn plan(&self, new: &NewWork, due: Due) -> Result<Option<Planned>, Fault> {
        plan(&mut *self.pool().acquire().await?, new, due).await
    }

    /// Removes at most `limit` rows of an account that is gone, and their
    /// ledger; answers how many there were.
    pub(crate) async fn remove_work_of(&self, account_id: Uuid, limit: i64) -> Result<u64, Fault> {
        let gone = sqlx::query_scalar!(
            r#"
            with gone as (
                delete from due_work where work_id = any(array(
                    select work_id from due_work where account_id = $1 limit $2
                ))
                returning work_id
            ),
            ledger as (delete from deliveries where work_id in (select work_id from gone))
            select count(*) as "count!" from gone
            "#,
            account_id,
            limit,
        );
        Ok(gone.fetch_one(self.pool()).await? as u64)
    }

    /// How much is overdue (10,000 at most are counted), and the age of the oldest in seconds.
    pub(crate) async fn backlog(&self) -> Result<(i64, f64), Fault> {
        let row = sqlx::query!(
            r#"
            with clock as materialized (select app_now() as now),
            overdue as (
                select d.next_at from due_work d
                where d.state = 'open' and d.next_at <= (select now from clock)
                order by d.next_at limit 10000
            )
            select count(*) as "count!",
                coalesce(extract(epoch from (select now from clock) - min(next_at)), 0)::float8 as "age!"
            from overdue
            "#,
        );
        let row = row.fetch_one(self.pool()).await?;
        Ok((row.count, row.age))
    }
}

impl Tx {
    /// Plans a piece of work with the rest of this transaction. None: its time
    /// is not in the future.
    pub(crate) async fn plan(&mut self, new: &NewWork, due: Due) -> Result<Option<Planned>, Fault> {
        plan(&mut self.inner, new, due).await
    }
}

async fn plan(connection: &mut PgConnection, new: &NewWork, due: Due) -> Result<Option<Planned>, Fault> {
    let (delay, instant) = match due {
        Due::In(delay) => (delay.as_secs_f64(), None),
        Due::At(instant) => (0.0, Some(jiff_sqlx::Timestamp::from(instant))),
    };
    let planned = sqlx::query!(
        r#"
        with clock as materialized (
            select now, coalesce($8, now + make_interval(secs => $9)) as due_at from (select app_now() as now) as c
        ),
        made as (
            insert into due_work (work_id, kind, account_id, dedupe, payload, lane, due_at, next_at, created_at)
            select $1, $2, $3, $4, $5, $6, due_at, due_at, now from clock
            where $8::timestamptz is null or due_at > now
            on conflict (account_id, kind, dedupe) where dedupe is not null do nothing
            returning work_id, due_at, created_at
        ),
        wake as materialized (
            select pg_notify($7, (extract(epoch from m.due_at) * 1000000)::bigint::text) from made m
            where m.due_at < m.created_at + interval '3 seconds'
        )
        select work_id, due_at, created_at, (select count(*) from wake) as woken from made
        "#,
        new.work_id,
        new.kind.0,
        new.account_id,
        new.dedupe,
        new.payload,
        new.lane,
        DUE_CHANNEL,
        instant as Option<jiff_sqlx::Timestamp>,
        delay,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match planned {
        Some(row) => Ok(Some(Planned {
            work_id: row.work_id,
            due_at: row.due_at.to_jiff(),
            created_at: row.created_at.to_jiff(),
            repeated: false,
        })),
        None => earlier(connection, new.account_id, new.kind, new.dedupe.as_deref()).await,
    }
}

/// The same wish, planned before.
async fn earlier(
    connection: &mut PgConnection,
    account_id: Option<Uuid>,
    kind: Kind,
    dedupe: Option<&str>,
) -> Result<Option<Planned>, Fault> {
    let row = sqlx::query!(
        "select work_id, due_at, created_at from due_work where account_id = $1 and kind = $2 and dedupe = $3",
        account_id,
        kind.0,
        dedupe,
    );
    let row = row.fetch_optional(connection).await?;
    Ok(row.map(|row| Planned {
        work_id: row.work_id,
        due_at: row.due_at.to_jiff(),
        created_at: row.created_at.to_jiff(),
        repeated: true,
    }))
}
