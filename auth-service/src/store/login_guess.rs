//! Table `login_guesses`, and the look-up that every login begins with.

use std::time::Duration;

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, seconds};
use crate::model::{Candidate, ClientAddress, Credentials, UsernameKey};

/// How often unknown clients may fail on one account: `burst` times at once,
/// then once every `window / burst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessLimit {
    /// Failures in a row; at least 1.
    pub burst: u32,
    /// The time in which a used-up burst comes back.
    pub window: Duration,
}

/// How a login begins.
pub(crate) enum Tried {
    /// The password may be looked at.
    Admitted(Candidate),
    /// Too many failures by unknown clients; one more try is admitted after this.
    Slowed(Duration),
}

// === impl GuessLimit ===

impl GuessLimit {
    /// The time in which one failure is forgiven.
    fn interval(self) -> Duration {
        self.window / self.burst.max(1)
    }
}

impl Store {
    /// Finds the account of a name, whether it knows the client, and whether
    /// unknown clients must wait: one statement, before the hash.
    ///
    /// `nobody` is the bucket that counts when no account has the name, so
    /// that both cases do, cost and answer the same.
    pub(crate) async fn try_login(
        &self,
        name: &UsernameKey,
        nobody: Uuid,
        client: Option<&ClientAddress>,
        limit: GuessLimit,
    ) -> Result<Tried, Fault> {
        let mut line = self.pool.line().await?;
        let row = sqlx::query!(
            r#"
            with clock as materialized (select app_now() as at),
            account as materialized (
                select account_id, username, password_hash from accounts where username_key = $1
            ),
            subject as materialized (
                select coalesce((select account_id from account), $2) as subject
            ),
            known as materialized (
                select k.last_login_at from known_clients k join account using (account_id)
                where k.client = $3
            )
            select
                a.account_id as "account_id?",
                a.username as "username?",
                a.password_hash as "password_hash?",
                s.subject as "subject!",
                exists (select from known) as "known!",
                -- The first login of a client, or its first in a day, is worth a write.
                $3::text is not null
                    and not exists (select from known where last_login_at > at - interval '1 day')
                    as "remember!",
                coalesce(extract(epoch from g.full_at - at)::float8, 0) as "lacking!"
            from clock cross join subject s
                left join account a on true
                left join login_guesses g on g.subject = s.subject
            "#,
            name.as_str(),
            nobody,
            client.map(ClientAddress::as_str),
        )
        .fetch_one(&mut *line)
        .await?;
        line.keep();
        // One place is left as long as the bucket lacks no more than this.
        let wait = row.lacking - (seconds(limit.window) - seconds(limit.interval()));
        if !row.known && wait > 0.0 {
            return Ok(Tried::Slowed(Duration::from_secs_f64(wait)));
        }
        let credentials = match (row.account_id, row.username, row.password_hash) {
            (Some(account_id), Some(username), Some(password_hash)) => {
                Some(Credentials { account_id, username, password_hash })
            }
            _ => None,
        };
        let counts_against = (!row.known).then_some(row.subject);
        Ok(Tried::Admitted(Candidate { credentials, counts_against, remember: row.remember }))
    }

    /// Counts a failure of an unknown client. Tries that ran side by side all
    /// count, so the bucket may owe more than it holds: over time no more than
    /// the limit gets through.
    pub(crate) async fn count_guess(&self, subject: Uuid, limit: GuessLimit) -> Result<(), Fault> {
        sqlx::query!(
            "insert into login_guesses as g (subject, full_at)
             values ($1, app_now() + make_interval(secs => $2))
             on conflict (subject) do update
             set full_at = greatest(g.full_at, app_now()) + make_interval(secs => $2)",
            subject,
            seconds(limit.interval()),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
