//! Reads from a standby, for those who may: never older than what their reader
//! knows, and never more than the primary lets them see.
//!
//! A read begins on the primary, which says whether the reader is a member and
//! how far the calendar's log is by now. A standby that has replayed that far has all of
//! it, for a change and its place in the log are one transaction, and those of one
//! calendar commit in order. One thing is later than its place: the names of somebody who
//! left are taken out of their events by the outbox, some at a time. It is asked so first, and then for the rows, over the same
//! connection: a standby only goes forward. Everything else falls back to the primary.

use std::time::Duration;

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

/// A calendar, and the seq that its reader may know of.
pub(super) type Known = (Uuid, i64);

/// A standby that knows enough.
pub(super) struct Standby(PoolConnection<Postgres>);

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
    pub(super) fn may_use_standby(&self) -> bool {
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

    /// The calendars an account is in, or the one of these with this name key, each with
    /// its newest seq: as the primary knows them.
    pub(super) async fn known(&self, account_id: Uuid, name_key: Option<&str>) -> Result<Vec<Known>, Fault> {
        let rows = sqlx::query!(
            r#"
            select c.calendar_id, c.last_seq
            from members m join calendars c using (calendar_id)
            where m.account_id = $1 and c.deleted_at is null and ($2::text is null or c.name_key = $2)
            "#,
            account_id,
            name_key,
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|row| (row.calendar_id, row.last_seq)).collect())
    }
}

/// Whether each of these calendars is there as far as that seq.
async fn has_replayed(standby: &mut PgConnection, known: &[Known]) -> Result<bool, sqlx::Error> {
    let (calendars, seqs): (Vec<_>, Vec<_>) = known.iter().copied().unzip();
    sqlx::query_scalar!(
        r#"
        select not exists (
            select from unnest($1::uuid[], $2::bigint[]) as known (calendar_id, seq)
            left join calendars c using (calendar_id)
            where c.last_seq is null or c.last_seq < known.seq
        ) as "has_replayed!"
        "#,
        &calendars,
        &seqs,
    )
    .fetch_one(standby)
    .await
}

fn count(outcome: &'static str) {
    counter!("calendar_standby_reads_total", "service" => "calendar", "outcome" => outcome).increment(1);
}
