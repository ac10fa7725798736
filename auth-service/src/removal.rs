//! Removes an account.
//!
//! One transaction ends its sessions, deletes it with its participant records,
//! and writes the outbox rows that make the other services end its memberships,
//! its timers, its device states.
//! A reserve that runs meanwhile either commits first, and its record vanishes
//! with the account, or finds the account gone. What calendar-service sends
//! afterwards (`SetParticipants`) skips accounts that are gone: no record of a
//! removed account is ever left or made.

use chassis::{
    failpoint,
    fault::{Fault, Reason},
    tokens::Identity,
};
use uuid::Uuid;

use crate::{
    model::Password,
    outbox::Outbox,
    password::Passwords,
    store::{MessageKind, Store},
};

/// The use-case.
#[derive(Clone)]
pub(crate) struct Removal {
    pub(crate) store: Store,
    pub(crate) passwords: Passwords,
    pub(crate) outbox: Outbox,
}

// === impl Removal ===

impl Removal {
    /// Removes the caller's account; answers its ended sessions.
    ///
    /// `wrong_password` when that is not their password.
    pub(crate) async fn run(&self, caller: &Identity, password: &Password) -> Result<Vec<Uuid>, Fault> {
        let known = self.passwords.confirm(caller, password).await?;
        failpoint::hit("auth.remove.before").await?;
        let mut tx = self.store.begin().await?;
        if !tx.hold_account(&known).await? {
            return Err(Fault::of(Reason::WrongPassword));
        }
        let ended = tx.end_sessions_of(known.account_id, None).await?;
        tx.remove_account(known.account_id).await?;
        self.outbox.post(&mut tx, known.account_id, MessageKind::AccountRemoved).await?;
        tx.commit().await?;
        failpoint::hit("auth.remove.after").await?;
        self.outbox.wake();
        metrics::counter!("auth_removals_total", "service" => "auth").increment(1);
        Ok(ended)
    }
}
