//! Table `tickets`.

use std::time::Duration;

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, seconds};
use crate::model::LiveSession;

impl Store {
    /// Keeps the hash of a ticket for the caller's session; `false` when that
    /// session is over.
    pub(crate) async fn add_ticket(
        &self,
        ticket_hash: &[u8],
        account_id: Uuid,
        session_id: Uuid,
        ttl: Duration,
    ) -> Result<bool, Fault> {
        let added = sqlx::query!(
            "insert into tickets (ticket_hash, session_id, expires_at)
             select $1, session_id, at + make_interval(secs => $4)
             from sessions, (select app_now() as at) clock
             where session_id = $3 and account_id = $2 and sessions.expires_at > at",
            ticket_hash,
            account_id,
            session_id,
            seconds(ttl),
        )
        .execute(&self.pool)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Takes the ticket away, whatever becomes of it, and answers its session
    /// if both are live. Of any number of takers one gets the row.
    pub(crate) async fn redeem_ticket(&self, ticket_hash: &[u8]) -> Result<Option<LiveSession>, Fault> {
        let row = sqlx::query!(
            r#"
            with redeemed as (delete from tickets where ticket_hash = $1 returning session_id, expires_at)
            select s.session_id, s.account_id, a.username, clock.at as "at!", s.expires_at,
                s.last_seen_at < clock.at - interval '1 minute' as "unseen!"
            from redeemed
            cross join (select app_now() as at) clock
            join sessions s using (session_id)
            join accounts a using (account_id)
            where redeemed.expires_at > clock.at and s.expires_at > clock.at
            "#,
            ticket_hash,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| LiveSession {
            session_id: row.session_id,
            account_id: row.account_id,
            username: row.username,
            now: row.at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            unseen: row.unseen,
        }))
    }
}
