//! Table `sessions`. A row is a live session until it expires.

use std::time::Duration;

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx, seconds};
use crate::model::{ClientAddress, Credentials, LiveSession, OpenedSession, SessionRow, UserAgent};

/// Client addresses that an account remembers, the latest ones.
const KNOWN_CLIENTS: i64 = 32;

/// What a successful login leaves behind.
pub(crate) struct NewSession<'a> {
    /// UUIDv7.
    pub(crate) session_id: Uuid,
    /// As the client called itself.
    pub(crate) user_agent: &'a UserAgent,
    /// Its address, if known.
    pub(crate) client: Option<&'a ClientAddress>,
    /// The address shall be known to the account from now on.
    pub(crate) remember: bool,
    /// How long it lives.
    pub(crate) ttl: Duration,
    /// Sessions an account may have, this one included; older ones are ended.
    pub(crate) per_account: u32,
}

impl Store {
    /// Opens a session and all that goes with it, in one statement; `None`
    /// when the account is gone or its password is another one by now.
    ///
    /// The account's row is held `for share`: a password change that runs
    /// meanwhile either sees this session, and ends it, or is seen here.
    pub(crate) async fn open_session(
        &self,
        account: &Credentials,
        new: &NewSession<'_>,
    ) -> Result<Option<OpenedSession>, Fault> {
        let mut line = self.pool.line().await?;
        let opened = sqlx::query!(
            r#"
            with clock as materialized (select app_now() as at),
            account as materialized (
                select account_id from accounts where account_id = $1 and password_hash = $2 for share
            ),
            opened as (
                insert into sessions (session_id, account_id, user_agent, created_at, last_seen_at, expires_at)
                select $3, account_id, $4, at, at, at + make_interval(secs => $5) from account, clock
                returning created_at, expires_at
            ),
            remembered as (
                insert into known_clients (account_id, client, last_login_at)
                select account_id, $6, at from account, clock where $7
                on conflict (account_id, client) do update set last_login_at = excluded.last_login_at
            ),
            -- A statement does not see its own new rows, hence one less, here and below.
            crowded_out as (
                delete from known_clients where $7 and (account_id, client) in (
                    select k.account_id, k.client from known_clients k join account using (account_id)
                    where k.client <> $6 order by k.last_login_at desc offset $9
                )
            ),
            surplus as (
                delete from sessions where session_id in (
                    select s.session_id from sessions s join account using (account_id)
                    order by s.created_at desc offset $8
                )
                returning session_id
            ),
            ended as (
                insert into ended_sessions (session_id, ended_at)
                select session_id, at from surplus, clock
            )
            select created_at, expires_at from opened
            "#,
            account.account_id,
            account.password_hash,
            new.session_id,
            new.user_agent.as_str(),
            seconds(new.ttl),
            new.client.map_or("", ClientAddress::as_str),
            new.remember && new.client.is_some(),
            i64::from(new.per_account.max(1) - 1),
            KNOWN_CLIENTS - 1,
        )
        .fetch_optional(&mut *line)
        .await?;
        line.keep();
        Ok(opened.map(|row| OpenedSession {
            session_id: new.session_id,
            created_at: row.created_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
        }))
    }

    /// The session, if it is live now.
    pub(crate) async fn live_session(&self, session_id: Uuid) -> Result<Option<LiveSession>, Fault> {
        let mut line = self.pool.line().await?;
        let row = sqlx::query!(
            r#"
            select s.account_id, a.username, clock.at as "at!", s.expires_at,
                s.last_seen_at < clock.at - interval '1 minute' as "unseen!"
            from (select app_now() as at) clock, sessions s join accounts a using (account_id)
            where s.session_id = $1 and s.expires_at > clock.at
            "#,
            session_id,
        )
        .fetch_optional(&mut *line)
        .await?;
        line.keep();
        Ok(row.map(|row| LiveSession {
            session_id,
            account_id: row.account_id,
            username: row.username,
            now: row.at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            unseen: row.unseen,
        }))
    }

    /// Those of the sessions that are live now.
    pub(crate) async fn live_among(&self, session_ids: &[Uuid]) -> Result<Vec<Uuid>, Fault> {
        let live = sqlx::query_scalar!(
            "select session_id from sessions
             where session_id = any($1) and expires_at > (select app_now())",
            session_ids,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(live)
    }

    /// The account's live sessions, newest first; `caller` must be one of
    /// them, else there are none.
    pub(crate) async fn sessions_of(&self, account_id: Uuid, caller: Uuid) -> Result<Vec<SessionRow>, Fault> {
        let rows = sqlx::query!(
            "with live as (
                 select * from sessions where account_id = $1 and expires_at > (select app_now())
             )
             select session_id, created_at, last_seen_at, expires_at, user_agent from live
             where exists (select from live where session_id = $2)
             order by created_at desc, session_id desc",
            account_id,
            caller,
        )
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| SessionRow {
            session_id: row.session_id,
            created_at: row.created_at.to_jiff(),
            last_seen_at: row.last_seen_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            user_agent: row.user_agent,
        });
        Ok(rows.collect())
    }

    /// Writes down that these sessions were seen just now.
    pub(crate) async fn touch_sessions(&self, session_ids: &[Uuid]) -> Result<(), Fault> {
        sqlx::query!(
            "with clock as materialized (select app_now() as at)
             update sessions set last_seen_at = at from clock
             where session_id = any($1) and last_seen_at < at - interval '1 minute'",
            session_ids,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends `target`, a session of the account whose session `caller` is live;
    /// `false` when there is none such.
    pub(crate) async fn end_session(
        &self,
        account_id: Uuid,
        caller: Uuid,
        target: Uuid,
    ) -> Result<bool, Fault> {
        let ended = sqlx::query!(
            "with clock as materialized (select app_now() as at),
             caller as materialized (
                 select session_id from sessions, clock
                 where session_id = $2 and account_id = $1 and expires_at > at
             ),
             removed as (
                 delete from sessions using clock
                 where sessions.session_id = $3 and account_id = $1 and expires_at > at
                     and exists (select from caller)
                 returning sessions.session_id
             )
             insert into ended_sessions (session_id, ended_at)
             select session_id, at from removed, clock",
            account_id,
            caller,
            target,
        )
        .execute(&self.pool)
        .await?;
        Ok(ended.rows_affected() == 1)
    }
}

impl Tx {
    /// Ends every session of the account but `kept`; answers their ids.
    pub(crate) async fn end_sessions_of(
        &mut self,
        account_id: Uuid,
        kept: Option<Uuid>,
    ) -> Result<Vec<Uuid>, Fault> {
        let ended = sqlx::query_scalar!(
            "with removed as (
                 delete from sessions
                 where account_id = $1 and session_id is distinct from $2 returning session_id
             )
             insert into ended_sessions (session_id) select session_id from removed
             returning session_id",
            account_id,
            kept,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(ended)
    }
}
