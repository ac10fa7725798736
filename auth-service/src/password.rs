//! Changes the password and ends all other sessions.

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use uuid::Uuid;

use crate::{
    hashing::HashPool,
    model::{Credentials, NewPassword, Password},
    store::Store,
};

/// The use-case, and the check that it shares with the account's removal.
#[derive(Clone)]
pub(crate) struct Passwords {
    pub(crate) store: Store,
    pub(crate) hashes: HashPool,
}

// === impl Passwords ===

impl Passwords {
    /// Sets `new`; answers the sessions that this ended.
    ///
    /// `invalid` when `new` may not be set, `wrong_password` when `old` is not
    /// the password, also when it was changed meanwhile.
    pub(crate) async fn change(
        &self,
        caller: &Identity,
        old: &Password,
        new: &str,
    ) -> Result<Vec<Uuid>, Fault> {
        let invalid = |error| Fault::of(Reason::Invalid).with_fields(vec![error]);
        let new = NewPassword::parse("new", new).map_err(invalid)?;
        let known = self.confirm(caller, old).await?;
        let password_hash = self.hashes.hash(&new).await?;
        let mut tx = self.store.begin().await?;
        if !tx.change_password_hash(&known, &password_hash).await? {
            return Err(Fault::of(Reason::WrongPassword));
        }
        let ended = tx.end_sessions_of(known.account_id, Some(caller.session_id)).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// The caller's account, once they have shown their password again.
    /// `unauthenticated` when their session is over.
    pub(crate) async fn confirm(&self, caller: &Identity, password: &Password) -> Result<Credentials, Fault> {
        let found = self.store.credentials(caller.account_id, caller.session_id).await?;
        let known = found.ok_or_else(|| Fault::of(Reason::Unauthenticated))?;
        if self.hashes.verify(password, Some(&known.password_hash)).await? {
            Ok(known)
        } else {
            Err(Fault::of(Reason::WrongPassword))
        }
    }
}
