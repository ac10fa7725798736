//! What is over is removed, in bounded statements. Each answers how many rows
//! went; fewer than `limit` means: done for now.

use chassis::fault::Fault;
use sqlx::postgres::PgQueryResult;

use super::Store;

impl Store {
    /// Events that arrived more than `keep` seconds ago, where the rules have
    /// seen all of their device.
    pub async fn sweep_events(&self, keep: f64, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from device_events where event_id in (
                select e.event_id from device_events e
                where e.received_at < (select app_now() - make_interval(secs => $1))
                    and not exists (
                        select from devices d where d.account_id = e.account_id and d.device_id = e.device_id
                            and d.received > d.processed
                    )
                limit $2
            )
            "#,
            keep,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }

    /// Notifications that ended more than `keep` seconds ago.
    pub async fn sweep_notifications(&self, keep: f64, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from notifications where notification_id in (
                select notification_id from notifications
                where ended_at < (select app_now() - make_interval(secs => $1))
                limit $2 for update skip locked
            )
            "#,
            keep,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }

    /// Devices of which nothing has been heard for `keep` seconds and nothing is left.
    pub async fn sweep_devices(&self, keep: f64, limit: i64) -> Result<u64, Fault> {
        let done = sqlx::query!(
            r#"
            delete from devices where (account_id, device_id) in (
                select d.account_id, d.device_id from devices d
                where d.received = d.processed
                    and d.waiting_since < (select app_now() - make_interval(secs => $1))
                    and not exists (
                        select from device_events e
                        where e.account_id = d.account_id and e.device_id = d.device_id
                    )
                    and not exists (
                        select from notifications n
                        where n.account_id = d.account_id and n.device_id = d.device_id and n.outcome is null
                    )
                limit $2 for update skip locked
            )
            "#,
            keep,
            limit,
        );
        rows(done.execute(self.pool()).await)
    }
}

fn rows(done: Result<PgQueryResult, sqlx::Error>) -> Result<u64, Fault> {
    Ok(done?.rows_affected())
}
