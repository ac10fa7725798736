//! The end of an account: everything of it, in bounded steps.

use chassis::fault::Fault;
use uuid::Uuid;

use super::Store;

impl Store {
    /// Removes a part of what belongs to an account; answers how many rows went.
    /// None: nothing is left.
    pub async fn remove_account_step(&self, account_id: Uuid, limit: i64) -> Result<u64, Fault> {
        // Devices first: without its device no claim can write anything more.
        let devices = sqlx::query!(
            r#"
            delete from devices where (account_id, device_id) in (
                select account_id, device_id from devices where account_id = $1
                order by device_id limit $2 for update
            )
            "#,
            account_id,
            limit,
        );
        let devices = devices.execute(self.pool()).await?.rows_affected();
        let notifications = sqlx::query!(
            r#"
            delete from notifications where notification_id in (
                select notification_id from notifications where account_id = $1
                order by notification_id limit $2 for update
            )
            "#,
            account_id,
            limit,
        );
        let notifications = notifications.execute(self.pool()).await?.rows_affected();
        let events = sqlx::query!(
            r#"
            delete from device_events where event_id in (
                select event_id from device_events where account_id = $1 limit $2
            )
            "#,
            account_id,
            limit,
        );
        let events = events.execute(self.pool()).await?.rows_affected();
        Ok(devices + notifications + events)
    }
}
