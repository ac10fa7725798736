//! Table `participant_revisions`: which word about an event is the latest.

use chassis::fault::Fault;
use uuid::Uuid;

use super::Tx;

impl Tx {
    /// Takes the revision if it is greater than the one known; `false` when it
    /// is stale. Holds the event's row, so that revisions are applied one by one.
    pub(crate) async fn take_revision(
        &mut self,
        event_id: Uuid,
        revision: i64,
        gone: bool,
    ) -> Result<bool, Fault> {
        let taken = sqlx::query!(
            "insert into participant_revisions as r (event_id, revision, gone) values ($1, $2, $3)
             on conflict (event_id) do update
             set revision = excluded.revision, gone = excluded.gone, changed_at = app_now()
             where r.revision < excluded.revision",
            event_id,
            revision,
            gone,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(taken.rows_affected() == 1)
    }
}
