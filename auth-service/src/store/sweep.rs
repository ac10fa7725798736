//! What nobody will ask for again, table by table, a bounded batch a statement.

use chassis::fault::Fault;

use super::Store;

/// Rows a statement: far below the second that a statement may take.
const BATCH: i64 = 1000;

/// Rows that a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Over every table.
    pub(crate) rows: u64,
    /// Some table had more than a batch.
    pub(crate) more: bool,
}

// === impl Swept ===

impl Swept {
    fn add(&mut self, done: &sqlx::postgres::PgQueryResult) {
        self.rows += done.rows_affected();
        self.more |= done.rows_affected() >= BATCH as u64;
    }
}

impl Store {
    /// One batch from each table. Instances that sweep at once share the rows.
    pub(crate) async fn sweep(&self) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        self.sweep_logins(&mut swept).await?;
        self.sweep_sessions(&mut swept).await?;
        self.sweep_participants(&mut swept).await?;
        let answers = self.idempotency.sweep(BATCH).await?;
        swept.rows += answers;
        swept.more |= answers >= BATCH as u64;
        Ok(swept)
    }

    async fn sweep_sessions(&self, swept: &mut Swept) -> Result<(), Fault> {
        let sessions = sqlx::query!(
            "delete from sessions where session_id in (
                 select session_id from sessions where expires_at <= (select app_now())
                 order by expires_at limit $1 for update skip locked)",
            BATCH
        );
        swept.add(&sessions.execute(&self.pool).await?);
        let tickets = sqlx::query!(
            "delete from tickets where ticket_hash in (
                 select ticket_hash from tickets where expires_at <= (select app_now())
                 order by expires_at limit $1 for update skip locked)",
            BATCH
        );
        swept.add(&tickets.execute(&self.pool).await?);
        let ended = sqlx::query!(
            "delete from ended_sessions where session_id in (
                 select session_id from ended_sessions
                 where ended_at <= (select app_now()) - interval '1 day'
                 order by ended_at limit $1 for update skip locked)",
            BATCH
        );
        swept.add(&ended.execute(&self.pool).await?);
        Ok(())
    }

    async fn sweep_logins(&self, swept: &mut Swept) -> Result<(), Fault> {
        let guesses = sqlx::query!(
            "delete from login_guesses where subject in (
                 select subject from login_guesses where full_at <= (select app_now())
                 limit $1 for update skip locked)",
            BATCH
        );
        swept.add(&guesses.execute(&self.pool).await?);
        let clients = sqlx::query!(
            "delete from known_clients where (account_id, client) in (
                 select account_id, client from known_clients
                 where last_login_at <= (select app_now()) - interval '180 days'
                 order by last_login_at limit $1 for update skip locked)",
            BATCH
        );
        swept.add(&clients.execute(&self.pool).await?);
        Ok(())
    }

    async fn sweep_participants(&self, swept: &mut Swept) -> Result<(), Fault> {
        // A month: no step of a saga is ever that late.
        let sagas = sqlx::query!(
            "delete from participant_sagas where saga_id in (
                 select saga_id from participant_sagas
                 where state <> 'reserved' and changed_at <= (select app_now()) - interval '30 days'
                 order by changed_at limit $1 for update skip locked)",
            BATCH
        );
        swept.add(&sagas.execute(&self.pool).await?);
        let revisions = sqlx::query!(
            "delete from participant_revisions where event_id in (
                 select event_id from participant_revisions
                 where gone and changed_at <= (select app_now()) - interval '90 days'
                 order by changed_at limit $1 for update skip locked)",
            BATCH
        );
        swept.add(&revisions.execute(&self.pool).await?);
        Ok(())
    }
}
