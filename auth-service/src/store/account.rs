//! Table `accounts`.

use chassis::{
    fault::{Fault, Reason},
    postgres::on_constraint,
};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Store, Tx};
use crate::model::{Credentials, Username, UsernameKey};

/// Adds an account; `username_taken` when the name is in use, in any case.
async fn add(
    executor: impl PgExecutor<'_>,
    account_id: Uuid,
    username: &Username,
    password_hash: &str,
) -> Result<(), Fault> {
    let added = sqlx::query!(
        "insert into accounts (account_id, username, password_hash) values ($1, $2, $3)",
        account_id,
        username.as_str(),
        password_hash,
    )
    .execute(executor)
    .await;
    on_constraint(added, "accounts_username_key", || Fault::of(Reason::UsernameTaken))?;
    Ok(())
}

impl Store {
    /// Adds an account; `username_taken` when the name is in use, in any case.
    pub(crate) async fn add_account(
        &self,
        account_id: Uuid,
        username: &Username,
        password_hash: &str,
    ) -> Result<(), Fault> {
        add(&self.pool, account_id, username, password_hash).await
    }

    /// The account with this name.
    pub(crate) async fn find_account(&self, username: &UsernameKey) -> Result<Option<Uuid>, Fault> {
        let found =
            sqlx::query_scalar!("select account_id from accounts where username_key = $1", username.as_str())
                .fetch_optional(&self.pool)
                .await?;
        Ok(found)
    }

    /// What the password of the caller must match; `None` when the caller's
    /// session is over.
    pub(crate) async fn credentials(
        &self,
        account_id: Uuid,
        session_id: Uuid,
    ) -> Result<Option<Credentials>, Fault> {
        let found = sqlx::query_as!(
            Credentials,
            "select a.account_id, a.username, a.password_hash
             from sessions s join accounts a using (account_id)
             where s.session_id = $2 and s.account_id = $1 and s.expires_at > (select app_now())",
            account_id,
            session_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(found)
    }
}

impl Tx {
    /// Adds an account; `username_taken` when the name is in use, in any case.
    pub(crate) async fn add_account(
        &mut self,
        account_id: Uuid,
        username: &Username,
        password_hash: &str,
    ) -> Result<(), Fault> {
        add(&mut *self.inner, account_id, username, password_hash).await
    }

    /// Sets a new hash where the old one is still in force; `false` otherwise.
    /// Holds the account's row, so that a login with the old password waits
    /// for the commit and then finds the hash changed.
    pub(crate) async fn change_password_hash(
        &mut self,
        known: &Credentials,
        password_hash: &str,
    ) -> Result<bool, Fault> {
        let changed = sqlx::query!(
            "update accounts set password_hash = $3, password_changed_at = app_now()
             where account_id = $1 and password_hash = $2",
            known.account_id,
            known.password_hash,
            password_hash,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Locks the account for its removal; `false` when it is gone or its
    /// password is another one by now.
    pub(crate) async fn hold_account(&mut self, known: &Credentials) -> Result<bool, Fault> {
        let held = sqlx::query!(
            "select account_id from accounts where account_id = $1 and password_hash = $2 for update",
            known.account_id,
            known.password_hash,
        )
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(held.is_some())
    }

    /// Removes a held account with its known clients and participant records
    /// (they cascade) and what was counted against it.
    pub(crate) async fn remove_account(&mut self, account_id: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            "with removed as (delete from accounts where account_id = $1 returning account_id)
             delete from login_guesses using removed where subject = removed.account_id",
            account_id,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
