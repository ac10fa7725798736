//! Table `participant_sagas`: what makes the steps of the saga idempotent.

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx};

/// What became of a reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// Every account has its record now.
    Made,
    /// The saga was here before: its state, and nothing was changed.
    Repeated(SagaState),
    /// These accounts are gone; nothing was written.
    Missing(Vec<Uuid>),
    /// A later word about the event was heard already; nothing was written.
    Late,
}

/// How far a saga has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SagaState {
    /// May still be undone.
    Reserved,
    /// Stays.
    Confirmed,
    /// Undone; late steps are refused.
    Released,
}

// === impl SagaState ===

impl SagaState {
    fn parse(text: &str) -> Self {
        match text {
            "reserved" => Self::Reserved,
            "confirmed" => Self::Confirmed,
            // The table's check knows no fourth; a state we cannot read must not be built on.
            _ => Self::Released,
        }
    }
}

impl Store {
    /// Records the saga and a reserved participation per account, in one
    /// statement; `account_ids` without repetitions.
    ///
    /// The accounts are held `for key share`, so that none of them is removed
    /// before this is committed. A release that runs at the same time waits
    /// for this commit at the saga's key, or is there before.
    pub(crate) async fn reserve(
        &self,
        saga_id: Uuid,
        event_id: Uuid,
        account_ids: &[Uuid],
    ) -> Result<Reservation, Fault> {
        let row = sqlx::query!(
            r#"
            with present as materialized (
                select account_id from accounts where account_id = any($3)
                order by account_id for key share
            ),
            saga as (
                insert into participant_sagas (saga_id, event_id, state)
                select $1, $2, 'reserved'
                where (select count(*) from present) = cardinality($3::uuid[])
                    and not exists (select from participant_revisions where event_id = $2)
                on conflict (saga_id) do nothing
                returning saga_id
            ),
            reserved as (
                insert into participants (event_id, account_id, saga_id, state)
                select $2, account_id, saga_id, 'reserved' from present, saga
                on conflict (event_id, account_id) do nothing
            )
            select
                exists (select from saga) as "made!",
                array(select account_id from present) as "present!"
            "#,
            saga_id,
            event_id,
            account_ids,
        )
        .fetch_one(&self.pool)
        .await?;
        if row.made {
            return Ok(Reservation::Made);
        }
        // A repeat is a repeat even when an account was removed meanwhile.
        if let Some(state) = self.saga_state(saga_id, event_id).await? {
            return Ok(Reservation::Repeated(state));
        }
        let missing: Vec<_> = account_ids.iter().filter(|id| !row.present.contains(id)).copied().collect();
        Ok(if missing.is_empty() { Reservation::Late } else { Reservation::Missing(missing) })
    }

    /// What is known of a saga.
    pub(crate) async fn saga_state(&self, saga_id: Uuid, event_id: Uuid) -> Result<Option<SagaState>, Fault> {
        let state = sqlx::query_scalar!(
            "select state from participant_sagas where saga_id = $1 and event_id = $2",
            saga_id,
            event_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(state.as_deref().map(SagaState::parse))
    }

    /// Confirms the saga and its participations; `false` when it was not
    /// reserved (confirmed before, released, or never heard of).
    pub(crate) async fn confirm(&self, saga_id: Uuid, event_id: Uuid) -> Result<bool, Fault> {
        let confirmed = sqlx::query_scalar!(
            r#"
            with saga as (
                update participant_sagas set state = 'confirmed', changed_at = app_now()
                where saga_id = $1 and event_id = $2 and state = 'reserved'
                returning saga_id
            ),
            -- Every statement locks an event's records in the same order: no deadlocks.
            held as (
                select account_id from participants
                where event_id = $2 and exists (select from saga)
                order by account_id for update
            ),
            confirmed as (
                update participants p set state = 'confirmed' from held
                where p.event_id = $2 and p.account_id = held.account_id and p.saga_id = $1
            )
            select exists (select from saga) as "confirmed!"
            "#,
            saga_id,
            event_id,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(confirmed)
    }
}

impl Tx {
    /// Turns the saga into a tombstone, known before or not; `false` when it
    /// is confirmed and stays so. Waits for a reserve that is under way.
    pub(crate) async fn release_saga(&mut self, saga_id: Uuid, event_id: Uuid) -> Result<bool, Fault> {
        let released = sqlx::query!(
            "insert into participant_sagas as s (saga_id, event_id, state) values ($1, $2, 'released')
             on conflict (saga_id) do update set state = 'released', changed_at = app_now()
             where s.state <> 'confirmed' and s.event_id = excluded.event_id",
            saga_id,
            event_id,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(released.rows_affected() == 1)
    }
}
