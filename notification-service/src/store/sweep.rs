//! What is over is removed, in bounded statements. Each answers how many rows
//! went; fewer than `limit` means: done for now.

use chassis::fault::Fault;

use super::Store;

impl Store {
    /// Work that was over 30 days ago, and its ledger.
    pub(crate) async fn sweep_work(&self, limit: i64) -> Result<u64, Fault> {
        let gone = sqlx::query_scalar!(
            r#"
            with gone as (
                delete from due_work where work_id = any(array(
                    select work_id from due_work where finished_at < app_now() - interval '30 days'
                    limit $1 for update skip locked
                ))
                returning work_id
            ),
            ledger as (delete from deliveries where work_id in (select work_id from gone))
            select count(*) as "count!" from gone
            "#,
            limit,
        );
        Ok(gone.fetch_one(self.pool()).await? as u64)
    }

    /// Revisions that nobody sends again: unchanged for 30 days, nothing planned.
    pub(crate) async fn sweep_revisions(&self, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from event_revisions where event_id = any(array(
                select r.event_id from event_revisions r
                where r.changed_at < app_now() - interval '30 days' and not exists (
                    select from due_work d where d.subject = r.event_id and d.state = 'open'
                )
                limit $1 for update skip locked
            ))
            "#,
            limit,
        );
        Ok(done.execute(self.pool()).await?.rows_affected())
    }
}
