//! The participant side of the create_event saga. Every step is idempotent.
//!
//! ```text
//!            reserve            confirm
//!   (none) ──────────> reserved ───────> confirmed ──> later: set
//!      │                  │ release
//!      └── release ──> released: late steps are refused
//! ```
//!
//! `set` belongs to no saga: it says who takes part as of a revision of the
//! event, and the greatest revision wins, whatever the order of arrival.

use chassis::{
    failpoint,
    fault::{Fault, Reason},
};
use uuid::Uuid;

use crate::store::{Reservation, SagaState, Store};

/// Participants of an event: 200, and its creator.
pub(crate) const MAX_PARTICIPANTS: usize = 201;

/// The use-cases.
#[derive(Clone)]
pub(crate) struct Participation {
    pub(crate) store: Store,
}

/// Which saga, on which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Saga {
    pub(crate) saga_id: Uuid,
    pub(crate) event_id: Uuid,
}

// === impl Participation ===

impl Participation {
    /// Records a reserved participation per account. `participant_unknown`
    /// with the ids of accounts that are gone; `saga_released` after a release.
    pub(crate) async fn reserve(&self, saga: Saga, account_ids: &[Uuid]) -> Result<(), Fault> {
        let account_ids = distinct(account_ids);
        if account_ids.is_empty() || account_ids.len() > MAX_PARTICIPANTS {
            return Err(Fault::invalid("account_ids", "must be 1 to 201 accounts"));
        }
        failpoint::hit("auth.reserve.before").await?;
        let reservation = self.store.reserve(saga.saga_id, saga.event_id, &account_ids).await?;
        failpoint::hit("auth.reserve.after").await?;
        match reservation {
            Reservation::Made | Reservation::Repeated(SagaState::Reserved | SagaState::Confirmed) => Ok(()),
            Reservation::Repeated(SagaState::Released) | Reservation::Late => {
                Err(Fault::of(Reason::SagaReleased))
            }
            Reservation::Missing(gone) => {
                Err(Fault::of(Reason::ParticipantUnknown)
                    .with_names(gone.iter().map(Uuid::to_string).collect()))
            }
        }
    }

    /// Makes the reserved participations stay. `saga_released` when there is
    /// nothing to confirm: undone, or never reserved.
    pub(crate) async fn confirm(&self, saga: Saga) -> Result<(), Fault> {
        failpoint::hit("auth.confirm.before").await?;
        let confirmed = self.store.confirm(saga.saga_id, saga.event_id).await?;
        failpoint::hit("auth.confirm.after").await?;
        if confirmed {
            return Ok(());
        }
        match self.store.saga_state(saga.saga_id, saga.event_id).await? {
            Some(SagaState::Confirmed) => Ok(()),
            // Reserved between the two looks: the caller confirmed what it had
            // not yet reserved, and may try again.
            Some(SagaState::Reserved) => Err(Fault::unavailable("the reservation")),
            Some(SagaState::Released) | None => Err(Fault::of(Reason::SagaReleased)),
        }
    }

    /// Undoes the reservations and refuses the saga from now on. What is
    /// confirmed stays: releasing it is a mistake of the caller.
    pub(crate) async fn release(&self, saga: Saga) -> Result<(), Fault> {
        failpoint::hit("auth.release.before").await?;
        let mut tx = self.store.begin().await?;
        if !tx.release_saga(saga.saga_id, saga.event_id).await? {
            tracing::error!(saga_id = %saga.saga_id, "refused to release a confirmed saga");
            return Err(Fault::new(Reason::Forbidden, "A confirmed operation cannot be undone"));
        }
        tx.remove_reserved(saga.saga_id, saga.event_id).await?;
        tx.commit().await?;
        failpoint::hit("auth.release.after").await?;
        Ok(())
    }

    /// Replaces the event's participants as of a revision; a stale revision
    /// changes nothing. No accounts: the event is gone. Accounts that are gone
    /// are skipped.
    pub(crate) async fn set(&self, event_id: Uuid, revision: i64, account_ids: &[Uuid]) -> Result<(), Fault> {
        let account_ids = distinct(account_ids);
        if account_ids.len() > MAX_PARTICIPANTS {
            return Err(Fault::invalid("account_ids", "must be at most 201 accounts"));
        }
        failpoint::hit("auth.set.before").await?;
        let mut tx = self.store.begin().await?;
        if tx.take_revision(event_id, revision, account_ids.is_empty()).await? {
            tx.replace_participants(event_id, &account_ids).await?;
            tx.commit().await?;
        }
        failpoint::hit("auth.set.after").await?;
        Ok(())
    }
}

fn distinct(account_ids: &[Uuid]) -> Vec<Uuid> {
    let mut ids = account_ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}
