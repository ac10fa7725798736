//! Table `participants`: who takes part in which event.

use chassis::fault::Fault;
use uuid::Uuid;

use super::Tx;

impl Tx {
    /// Removes what a released saga had reserved. A statement of its own: it
    /// must see what a reserve committed while the release waited for it.
    pub(crate) async fn remove_reserved(&mut self, saga_id: Uuid, event_id: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            "with held as (
                 select account_id from participants where event_id = $2 and saga_id = $1
                 order by account_id for update
             )
             delete from participants p using held
             where p.event_id = $2 and p.account_id = held.account_id and p.saga_id = $1",
            saga_id,
            event_id,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Makes these accounts, as far as they still exist, the confirmed
    /// participants of the event, and nobody else. A statement of its own, run
    /// after the revision was taken: it must see what an older revision that
    /// was under way has committed.
    pub(crate) async fn replace_participants(
        &mut self,
        event_id: Uuid,
        account_ids: &[Uuid],
    ) -> Result<(), Fault> {
        sqlx::query!(
            "with present as materialized (
                 -- Who is gone is skipped: their records vanished with the account.
                 select account_id from accounts where account_id = any($2)
                 order by account_id for key share
             ),
             -- The counts are never negative: they put the steps into one order for
             -- all, accounts before records, and so keep deadlocks away.
             held as materialized (
                 select account_id from participants
                 where event_id = $1 and (select count(*) from present) >= 0
                 order by account_id for update
             ),
             removed as (
                 delete from participants p using held
                 where p.event_id = $1 and p.account_id = held.account_id
                     and not p.account_id = any($2)
             )
             insert into participants (event_id, account_id, state)
             select $1, account_id, 'confirmed' from present where (select count(*) from held) >= 0
             on conflict (event_id, account_id) do update set saga_id = null, state = 'confirmed'",
            event_id,
            account_ids,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
