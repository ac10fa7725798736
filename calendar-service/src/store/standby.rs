//! Reads from a standby, for those who may: never older than what their reader
//! knows, and never more than the primary lets them see.
//!
//! A read begins on the primary, which says whether the reader is a member and
//! how far the calendar's log is by now. A standby that has replayed that far has all of
//! it, for a change and its place in the log are one transaction, and those of one
//! calendar commit in order. One thing is later than its place, and counted for itself: the outbox takes the name of
//! somebody who left out of many events, some at a time. A standby is asked so first, and then for the rows, over the
//! same connection: it only goes forward. Everything else falls back to the primary.

use std::{sync::Arc, time::Duration};

use chassis::fault::Fault;
use metrics::counter;
use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::time::{error::Elapsed, timeout};
use uuid::Uuid;

use super::Store;

/// For a standby's word on how far it is.
const ASKING: Duration = Duration::from_millis(250);
/// For the rows; enough time is left to ask the primary instead.
const READING: Duration = Duration::from_millis(750);

/// A calendar, and how far its reader may know it to be. Equal is what shows the same events.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The calendar.
    pub calendar_id: Uuid,
    /// The timeline of the primary that says so: another one after each promotion.
    pub timeline: i64,
    /// Its newest seq.
    pub last_seq: i64,
    /// How many messages its log got since they are counted: no list of events shows them.
    pub messages: i64,
    /// How often names of members who left were taken out of its events, which may be later than the log says.
    pub withdrawals: i64,
}

/// A standby that knows enough.
pub(super) struct Standby(PoolConnection<Postgres>);

// === impl Known ===

impl Known {
    /// For who reads the log alone, in which names stay as they were.
    pub(super) const fn of_log(calendar_id: Uuid, last_seq: i64) -> Self {
        Self { calendar_id, timeline: 0, last_seq, messages: 0, withdrawals: 0 }
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        let shown = |known: &Self| {
            (known.calendar_id, known.timeline, known.last_seq - known.messages, known.withdrawals)
        };
        shown(self) == shown(other)
    }
}

impl Eq for Known {}

// === impl Standby ===

impl Standby {
    /// Its answer to one read; none when it gives none, and the primary is to be asked.
    pub(super) async fn answer<T>(
        mut self,
        read: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Option<T> {
        let outcome = timeout(READING, read(&mut self.0)).await;
        self.settle(outcome)
    }

    fn settle<T>(self, outcome: Result<Result<T, sqlx::Error>, Elapsed>) -> Option<T> {
        match outcome {
            Ok(Ok(answer)) => {
                count("served");
                Some(answer)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a standby fails to answer");
                count("failed");
                None
            }
            Err(_) => {
                count("failed");
                // It may hang for ever, and its place in the pool with it.
                drop(self.0.detach());
                None
            }
        }
    }
}

impl Store {
    /// Whether it is worth to ask the primary what a standby must know.
    pub fn may_use_standby(&self) -> bool {
        self.pool().has_standby()
    }

    /// A standby that has replayed all of this; none when there is none right now.
    pub(super) async fn standby(&self, known: &[Known]) -> Option<Standby> {
        let mut standby = Standby(self.pool().standby().await?);
        let outcome = timeout(ASKING, has_replayed(&mut standby.0, known)).await;
        match outcome {
            Ok(Ok(true)) => Some(standby),
            Ok(Ok(false)) => {
                count("behind");
                None
            }
            failed => standby.settle(failed).and(None),
        }
    }

    /// The calendars an account is in, or the one of these with this name key: as the primary
    /// knows them.
    pub async fn known(&self, account_id: Uuid, name_key: Option<&str>) -> Result<Arc<[Known]>, Fault> {
        let mut line = self.pool().line().await?;
        let known = sqlx::query_as!(
            Known,
            r#"
            select c.calendar_id, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint as "timeline!", c.last_seq, c.messages, c.withdrawals
            from members m join calendars c using (calendar_id)
            where m.account_id = $1 and c.deleted_at is null and ($2::text is null or c.name_key = $2)
            order by c.calendar_id
            "#,
            account_id,
            name_key,
        )
        .fetch_all(&mut *line)
        .await?;
        line.keep();
        Ok(known.into())
    }

    /// A calendar that an account is in, as the primary knows it. None to strangers, foreign and
    /// absent alike.
    pub async fn known_of(&self, calendar_id: Uuid, account_id: Uuid) -> Result<Option<Known>, Fault> {
        let mut line = self.pool().line().await?;
        let known = sqlx::query_as!(
            Known,
            r#"
            select c.calendar_id, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint as "timeline!", c.last_seq, c.messages, c.withdrawals
            from members m join calendars c using (calendar_id)
            where m.calendar_id = $1 and m.account_id = $2 and c.deleted_at is null
            "#,
            calendar_id,
            account_id,
        )
        .fetch_optional(&mut *line)
        .await?;
        line.keep();
        Ok(known)
    }
}

/// Whether each of these calendars is there as far as that.
async fn has_replayed(standby: &mut PgConnection, known: &[Known]) -> Result<bool, sqlx::Error> {
    let calendars: Vec<_> = known.iter().map(|known| known.calendar_id).collect();
    let seqs: Vec<_> = known.iter().map(|known| known.last_seq).collect();
    let withdrawals: Vec<_> = known.iter().map(|known| known.withdrawals).collect();
    sqlx::query_scalar!(
        r#"
        select not exists (
            select from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as known (calendar_id, seq, withdrawals)
            left join calendars c using (calendar_id)
            where c.last_seq is null or c.last_seq < known.seq or c.withdrawals < known.withdrawals
        ) as "has_replayed!"
        "#,
        &calendars,
        &seqs,
        &withdrawals,
    )
    .fetch_one(standby)
    .await
}

fn count(outcome: &'static str) {
    counter!("calendar_standby_reads_total", "service" => "calendar", "outcome" => outcome).increment(1);
}
