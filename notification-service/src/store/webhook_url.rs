//! `webhook_urls`: where an account's notifications go besides its inbox.

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx};

impl Store {
    /// The account's webhook; none: the inbox alone.
    pub(crate) async fn webhook_url(&self, account_id: Uuid) -> Result<Option<String>, Fault> {
        let url = sqlx::query_scalar!("select url from webhook_urls where account_id = $1", account_id);
        Ok(url.fetch_optional(self.pool()).await?)
    }

    /// Sets the account's webhook; none: the inbox alone.
    pub(crate) async fn set_webhook_url(&self, account_id: Uuid, url: Option<&str>) -> Result<(), Fault> {
        let done = match url {
            Some(url) => sqlx::query!(
                "insert into webhook_urls (account_id, url) values ($1, $2)
                 on conflict (account_id) do update set url = excluded.url",
                account_id,
                url,
            ),
            None => sqlx::query!("delete from webhook_urls where account_id = $1", account_id),
        };
        done.execute(self.pool()).await?;
        Ok(())
    }
}

impl Tx {
    /// The account's webhook, as this transaction sees it.
    pub(crate) async fn webhook_url(&mut self, account_id: Uuid) -> Result<Option<String>, Fault> {
        let url = sqlx::query_scalar!("select url from webhook_urls where account_id = $1", account_id);
        Ok(url.fetch_optional(&mut *self.inner).await?)
    }
}
