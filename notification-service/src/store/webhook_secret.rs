//! `webhook_secrets`: what an account signs with.

use chassis::fault::{Fault, Reason};
use uuid::Uuid;

use super::Store;
use crate::model::{Secret, SigningSecrets};

impl Store {
    /// What signs for the account now; made at the first call.
    pub(crate) async fn signing_secrets(&self, account_id: Uuid) -> Result<SigningSecrets, Fault> {
        if let Some(secrets) = self.existing_secrets(account_id).await? {
            return Ok(secrets);
        }
        let fresh = Secret::random();
        sqlx::query!(
            "insert into webhook_secrets (account_id, secret) values ($1, $2) on conflict do nothing",
            account_id,
            fresh.expose(),
        )
        .execute(self.pool())
        .await?;
        // Of two that made one at once the first has won.
        let secrets = self.existing_secrets(account_id).await?;
        secrets.ok_or_else(|| Fault::unavailable("the webhook secret"))
    }

    async fn existing_secrets(&self, account_id: Uuid) -> Result<Option<SigningSecrets>, Fault> {
        let row = sqlx::query!(
            r#"
            select secret, case when previous_until > app_now() then previous end as previous
            from webhook_secrets where account_id = $1
            "#,
            account_id,
        );
        let Some(row) = row.fetch_optional(self.pool()).await? else { return Ok(None) };
        let current = Secret::from_bytes(&row.secret).ok_or_else(corrupt)?;
        let previous =
            row.previous.map(|bytes| Secret::from_bytes(&bytes).ok_or_else(corrupt)).transpose()?;
        Ok(Some(SigningSecrets { current, previous }))
    }

    /// A new secret; the one before signs for a day as well.
    pub(crate) async fn rotate_secret(&self, account_id: Uuid) -> Result<Secret, Fault> {
        let secret = Secret::random();
        sqlx::query!(
            r#"
            insert into webhook_secrets as s (account_id, secret) values ($1, $2)
            on conflict (account_id) do update
            set secret = excluded.secret, previous = s.secret, previous_until = app_now() + interval '24 hours'
            "#,
            account_id,
            secret.expose(),
        )
        .execute(self.pool())
        .await?;
        Ok(secret)
    }

    /// Forgets what an account that is gone signed with, and where its
    /// notifications went.
    pub(crate) async fn remove_webhook_settings(&self, account_id: Uuid) -> Result<(), Fault> {
        sqlx::query!("delete from webhook_secrets where account_id = $1", account_id)
            .execute(self.pool())
            .await?;
        sqlx::query!("delete from webhook_urls where account_id = $1", account_id)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

/// The column's check allows nothing else.
fn corrupt() -> Fault {
    tracing::error!("a webhook secret in the database is not 32 bytes");
    Fault::of(Reason::Internal)
}
