//! Table `signing_keys`.

use std::time::Duration;

use chassis::fault::Fault;
use jiff::Timestamp;

use super::{Tx, seconds};

/// The lock under which keys are made and dropped: ASCII "authkeys". One
/// instance at a time, so that a fresh database gets one key.
const LOCK: i64 = 0x6175_7468_6b65_7973;
/// How long after a key was superseded an instance may still have signed with it.
const STRAGGLERS: Duration = Duration::from_hours(1);

/// A row of the table.
#[derive(Clone)]
pub(crate) struct StoredKey {
    /// Thumbprint.
    pub(crate) kid: String,
    /// 32 bytes.
    pub(crate) public_key: Vec<u8>,
    /// Sealed with the key file.
    pub(crate) sealed_private_key: Vec<u8>,
    /// From when on it signs.
    pub(crate) signs_from: Timestamp,
    /// Older than the rotation period that was asked about.
    pub(crate) worn: bool,
}

/// A key to be published.
pub(crate) struct NewKey<'a> {
    /// Thumbprint.
    pub(crate) kid: &'a str,
    /// 32 bytes.
    pub(crate) public_key: &'a [u8],
    /// Sealed with the key file.
    pub(crate) sealed_private_key: &'a [u8],
    /// How long it is published before it signs.
    pub(crate) lead: Duration,
}

impl Tx {
    /// Waits for the turn to change the keys; held to the end of the transaction.
    pub(crate) async fn lock_signing_keys(&mut self) -> Result<(), Fault> {
        sqlx::query!("select pg_advisory_xact_lock($1)", LOCK).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Every key, the oldest first; `worn` compares its age with `period`.
    pub(crate) async fn signing_keys(&mut self, period: Duration) -> Result<Vec<StoredKey>, Fault> {
        let rows = sqlx::query!(
            r#"select kid, public_key, sealed_private_key, signs_from,
                   created_at + make_interval(secs => $1) <= app_now() as "worn!"
               from signing_keys order by signs_from, kid"#,
            seconds(period),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let keys = rows.into_iter().map(|row| StoredKey {
            kid: row.kid,
            public_key: row.public_key,
            sealed_private_key: row.sealed_private_key,
            signs_from: row.signs_from.to_jiff(),
            worn: row.worn,
        });
        Ok(keys.collect())
    }

    /// Publishes a key.
    pub(crate) async fn add_signing_key(&mut self, key: &NewKey<'_>) -> Result<(), Fault> {
        sqlx::query!(
            "insert into signing_keys (kid, public_key, sealed_private_key, signs_from)
             values ($1, $2, $3, app_now() + make_interval(secs => $4))",
            key.kid,
            key.public_key,
            key.sealed_private_key,
            seconds(key.lead),
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Drops the keys whose tokens are gone: superseded, and no live session
    /// is left from the time when they signed (a token lives as long as its
    /// session). Answers how many.
    pub(crate) async fn drop_spent_keys(&mut self) -> Result<u64, Fault> {
        let dropped = sqlx::query!(
            "with clock as materialized (select app_now() as at),
             signed as (
                 select kid, lead(signs_from) over (order by signs_from, kid)
                     + make_interval(secs => $1) as until
                 from signing_keys
             )
             delete from signing_keys k using signed, clock
             where k.kid = signed.kid and signed.until <= at
                 and not exists (
                     select from sessions s where s.created_at < signed.until and s.expires_at > at
                 )",
            seconds(STRAGGLERS),
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(dropped.rows_affected())
    }

    /// Drops every key: what they signed is worth nothing any more.
    pub(crate) async fn revoke_signing_keys(&mut self) -> Result<u64, Fault> {
        let dropped = sqlx::query!("delete from signing_keys").execute(&mut *self.inner).await?;
        Ok(dropped.rows_affected())
    }
}
