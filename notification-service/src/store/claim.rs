//! `due_work`, as the engine claims it.

use std::time::Duration;

use chassis::fault::Fault;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::Store;
use crate::model::{Kind, Work};

/// Rows that one claim looks at.
pub(crate) const CLAIM: usize = 512;

/// What a claim may take.
#[derive(Debug)]
pub(crate) struct ClaimOrder {
    /// The kinds that we can deliver.
    pub(crate) kinds: Vec<Kind>,
    /// Rows in all.
    pub(crate) total: usize,
    /// Looked at is what fell due after this; none: everything that is due, …
    pub(crate) since: Option<Timestamp>,
    /// … but nothing of these lanes.
    pub(crate) left_out: Vec<String>,
    /// Rows of these lanes …
    pub(crate) lanes: Vec<(String, usize)>,
    /// … and of any other.
    pub(crate) usual: usize,
    /// Beside that, so many rows of each of these lanes, however long they are due.
    pub(crate) waiting: Vec<(String, usize)>,
    /// How long the rows are ours.
    pub(crate) lease: Duration,
}

/// What a claim took.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The database's clock, and when we heard it.
    pub(crate) now: Timestamp,
    pub(crate) heard: Instant,
    /// How many rows it looked at; [`CLAIM`]: there may be more.
    pub(crate) seen: usize,
    /// Lanes of which it saw more than it may take.
    pub(crate) leftover: Vec<String>,
    /// The rows.
    pub(crate) works: Vec<Work>,
}

/// A claimed row, or none beside the clock.
struct Row {
    now: jiff_sqlx::Timestamp,
    seen: i64,
    leftover: Option<Vec<String>>,
    work_id: Option<Uuid>,
    kind: Option<String>,
    account_id: Option<Uuid>,
    payload: Option<Value>,
    lane: Option<String>,
    due_at: Option<jiff_sqlx::Timestamp>,
    fired_at: Option<jiff_sqlx::Timestamp>,
    attempts: Option<i32>,
    failures: Option<i32>,
    fence: Option<i64>,
}

// === impl Row ===

impl Row {
    fn work(self, kinds: &[Kind], now: Timestamp, heard: Instant) -> Option<Work> {
        let kind = self.kind?;
        Some(Work {
            work_id: self.work_id?,
            kind: *kinds.iter().find(|known| known.0 == kind)?,
            account_id: self.account_id,
            payload: self.payload?,
            lane: self.lane?.into(),
            due_at: self.due_at?.to_jiff(),
            fired_at: self.fired_at?.to_jiff(),
            attempts: self.attempts?,
            failures: self.failures?,
            fence: self.fence?,
            claimed_at: now,
            heard,
        })
    }
}

/// Lanes with their room, as two columns.
fn columns(lanes: &[(String, usize)]) -> (Vec<String>, Vec<i32>) {
    lanes.iter().map(|(lane, room)| (lane.clone(), *room as i32)).unzip()
}

impl Store {
    /// Claims what is due, the longest due first, lane by lane.
    pub(crate) async fn claim(&self, order: &ClaimOrder) -> Result<Claim, Fault> {
        let kinds: Vec<String> = order.kinds.iter().map(|kind| kind.0.to_owned()).collect();
        let (lanes, rooms) = columns(&order.lanes);
        let (waiting, places) = columns(&order.waiting);
        // Two things keep the plan what it is, whatever the statistics say: the
        // limit is a constant, and the rows to update come as an array.
        let rows = sqlx::query_as!(
            Row,
            r#"
            with clock as materialized (select app_now() as now),
            due as materialized (
                select d.work_id, d.lane, d.next_at from due_work d
                where d.state = 'open' and d.next_at > coalesce($8::timestamptz, '-infinity')
                    and d.next_at <= (select now from clock) and d.lane <> all($3) and d.kind = any($1)
                order by d.next_at
                limit 512
                for update skip locked
            ),
            placed as materialized (
                select p.work_id, p.lane, p.next_at,
                    row_number() over (partition by p.lane order by p.next_at) <= coalesce(r.room, $6::int) as fits
                from due p left join unnest($4::text[], $5::int[]) as r (lane, room) using (lane)
            ),
            -- Each of these lanes from its own beginning: as rows, for with an equation the planner may prefer
            -- the order of all lanes together, and read past the others.
            waiting as materialized (
                select w.work_id, w.next_at
                from unnest($9::text[], $10::int[]) as r (lane, room) cross join lateral (
                    select d.work_id, d.next_at from due_work d
                    where d.state = 'open' and d.kind = any($1)
                        and (d.lane, d.next_at) >= (r.lane, timestamptz '-infinity')
                        and (d.lane, d.next_at) <= (r.lane, (select now from clock))
                    order by d.lane, d.next_at
                    limit r.room
                    for update skip locked
                ) as w
            ),
            chosen as (
                select work_id from (
                    select work_id, next_at from placed where fits union all select work_id, next_at from waiting
                ) as both_kinds
                order by next_at
                limit $2
            ),
            claimed as (
                update due_work d
                set next_at = clock.now + make_interval(secs => $7), fence = d.fence + 1,
                    fired_at = coalesce(d.fired_at, clock.now)
                from clock
                where d.work_id = any(array(select work_id from chosen))
                returning d.work_id, d.kind, d.account_id, d.payload, d.lane, d.due_at, d.fired_at, d.attempts,
                    d.failures, d.fence
            )
            select clock.now as "now!", (select count(*) from due) as "seen!",
                -- Once is enough.
                case when row_number() over (order by c.due_at) = 1
                    then array(select distinct lane from placed where not fits) end as "leftover?",
                c.work_id as "work_id?",
                c.kind as "kind?", c.account_id, c.payload as "payload?", c.lane as "lane?", c.due_at as "due_at?",
                c.fired_at as "fired_at?", c.attempts as "attempts?", c.failures as "failures?", c.fence as "fence?"
            from clock left join claimed c on true
            order by c.due_at
            "#,
            &kinds,
            order.total as i64,
            &order.left_out,
            &lanes,
            &rooms,
            order.usual as i32,
            order.lease.as_secs_f64(),
            order.since.map(jiff_sqlx::Timestamp::from) as Option<jiff_sqlx::Timestamp>,
            &waiting,
            &places,
        )
        .fetch_all(self.pool())
        .await?;
        let heard = Instant::now();
        let (now, seen) =
            rows.first().map_or((Timestamp::UNIX_EPOCH, 0), |row| (row.now.to_jiff(), row.seen));
        let mut leftover = Vec::new();
        let mut works = Vec::with_capacity(rows.len());
        for mut row in rows {
            leftover.extend(row.leftover.take().into_iter().flatten());
            works.extend(row.work(&order.kinds, now, heard));
        }
        Ok(Claim { now, heard, seen: seen as usize, leftover, works })
    }

    /// The database's clock, and the moments within `horizon` at which something
    /// falls due or a lease ends; those of one millisecond are one.
    pub(crate) async fn near_moments(&self, horizon: Duration) -> Result<(Timestamp, Vec<Timestamp>), Fault> {
        let rows = sqlx::query!(
            r#"
            with clock as materialized (select app_now() as now),
            -- The rows are bounded: the next look finds those behind them.
            near as (
                select distinct date_trunc('milliseconds', d.next_at) as at from (
                    select next_at from due_work
                    where state = 'open' and next_at > (select now from clock)
                        and next_at <= (select now from clock) + make_interval(secs => $1)
                    order by next_at
                    limit 20000
                ) as d
            )
            select clock.now as "now!", n.at as "at?" from clock left join near n on true
            "#,
            horizon.as_secs_f64(),
        )
        .fetch_all(self.pool())
        .await?;
        let now = rows.first().map_or(Timestamp::UNIX_EPOCH, |row| row.now.to_jiff());
        // Cut off above: the end of that millisecond has all of them.
        let end = |at: Timestamp| at.saturating_add(Duration::from_millis(1)).unwrap_or(at);
        Ok((now, rows.into_iter().filter_map(|row| Some(end(row.at?.to_jiff()))).collect()))
    }
}
