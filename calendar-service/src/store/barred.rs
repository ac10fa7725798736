//! `barred_members`: who was removed and may not rejoin by password.

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx};
use crate::model::fold;

impl Store {
    /// Forgets every bar of an account that is gone.
    pub async fn forget_bars(&self, account_id: Uuid) -> Result<(), Fault> {
        let done = sqlx::query!("delete from barred_members where account_id = $1", account_id);
        done.execute(self.pool()).await?;
        Ok(())
    }
}

impl Tx {
    /// Bars an account from rejoining.
    pub async fn bar(&mut self, calendar_id: Uuid, account_id: Uuid, username: &str) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            insert into barred_members (calendar_id, account_id, username, username_key)
            values ($1, $2, $3, $4)
            on conflict on constraint barred_member_key do nothing
            "#,
            calendar_id,
            account_id,
            username,
            fold(username),
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Whether the account is barred.
    pub async fn is_barred(&mut self, calendar_id: Uuid, account_id: Uuid) -> Result<bool, Fault> {
        let barred = sqlx::query_scalar!(
            r#"select exists (select from barred_members where calendar_id = $1 and account_id = $2) as "barred!""#,
            calendar_id,
            account_id,
        );
        Ok(barred.fetch_one(&mut *self.inner).await?)
    }

    /// Lifts the bar of the account with this name (without case); answers who it was.
    pub async fn unbar(
        &mut self,
        calendar_id: Uuid,
        username: &str,
    ) -> Result<Option<(Uuid, String)>, Fault> {
        let row = sqlx::query!(
            r#"
            delete from barred_members
            where calendar_id = $1 and username_key = $2
            returning account_id, username
            "#,
            calendar_id,
            fold(username),
        );
        let row = row.fetch_optional(&mut *self.inner).await?;
        Ok(row.map(|row| (row.account_id, row.username)))
    }
}
