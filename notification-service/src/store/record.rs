//! `due_work` and `deliveries`, as the engine records what came of a claim.
//! Every write names the fencing token of its claim.

use std::time::Duration;

use chassis::fault::Fault;
use uuid::Uuid;

use super::Store;
use crate::model::Report;

impl Store {
    /// Records attempts, and writes requests into the ledger. Answers how many
    /// claims were still ours.
    pub(crate) async fn record(&self, reports: &[Report]) -> Result<u64, Fault> {
        let ids: Vec<Uuid> = reports.iter().map(|report| report.work_id).collect();
        let fences: Vec<i64> = reports.iter().map(|report| report.fence).collect();
        let states: Vec<String> = reports.iter().map(|report| report.state.as_str().to_owned()).collect();
        let delays: Vec<f64> = reports.iter().map(|report| report.delay.as_secs_f64()).collect();
        let statuses: Vec<i32> = reports.iter().map(|report| i32::from(report.status)).collect();
        let took: Vec<i32> = reports.iter().map(|report| report.took.as_millis() as i32).collect();
        let failures: Vec<String> = reports.iter().map(|report| report.failure.clone()).collect();
        let requests: Vec<bool> = reports.iter().map(|report| report.is_request).collect();
        let recorded = sqlx::query_scalar!(
            r#"
            with clock as materialized (select app_now() as now),
            said as materialized (
                select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::float8[], $5::int[], $6::int[],
                    $7::text[], $8::bool[])
                    as s (work_id, fence, state, delay, status, took, failure, is_request)
            ),
            recorded as (
                update due_work d set
                    state = s.state,
                    next_at = case s.state when 'open' then clock.now + make_interval(secs => s.delay) else d.next_at end,
                    attempts = d.attempts + 1,
                    failures = d.failures + case s.state when 'done' then 0 else 1 end,
                    last_status = s.status,
                    finished_at = case s.state when 'open' then null else clock.now end
                from said s, clock
                where d.work_id = s.work_id and d.fence = s.fence and d.state = 'open'
                returning d.work_id, d.attempts, s.status, s.took, s.failure, s.is_request, clock.now
            ),
            ledger as (
                insert into deliveries (work_id, attempt, started_at, duration_ms, status, failure)
                select work_id, attempts, now - make_interval(secs => took / 1000.0), took, status, failure
                from recorded where is_request
            )
            select count(*) as "recorded!" from recorded
            "#,
            &ids,
            &fences,
            &states,
            &delays,
            &statuses,
            &took,
            &failures,
            &requests,
        );
        Ok(recorded.fetch_one(self.pool()).await? as u64)
    }

    /// Holds claims on for another `lease`, as far as they are still ours.
    pub(crate) async fn renew(&self, claims: &[(Uuid, i64)], lease: Duration) -> Result<(), Fault> {
        let (ids, fences): (Vec<Uuid>, Vec<i64>) = claims.iter().copied().unzip();
        sqlx::query!(
            r#"
            update due_work d set next_at = clock.now + make_interval(secs => $3)
            from unnest($1::uuid[], $2::bigint[]) as c (work_id, fence), (select app_now() as now) as clock
            where d.work_id = c.work_id and d.fence = c.fence and d.state = 'open'
            "#,
            &ids,
            &fences,
            lease.as_secs_f64(),
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
