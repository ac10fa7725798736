//! Messages: rows of `calendar_changes` of their own kind, many in one statement.

use chassis::fault::Fault;
use jiff::Timestamp;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Store, Tx};

/// A message that is kept.
#[derive(Clone, Debug)]
pub struct KeptMessage {
    /// Its place among those that were given.
    pub index: usize,
    /// Its place in the log.
    pub seq: i64,
    /// When, by the database's clock.
    pub at: Timestamp,
}

/// Appends the messages of several senders to a calendar's log, in the
/// order given, in one statement: one round trip, one lock, one commit.
/// Those of senders who are no members are left out; so are all when the
/// calendar is gone.
///
/// Who is removed in the same instant may still be heard right after: the
/// members are those of the statement's start.
async fn append(
    executor: impl PgExecutor<'_>,
    calendar_id: Uuid,
    senders: &[Uuid],
    payloads: &[String],
) -> Result<Vec<KeptMessage>, Fault> {
    let rows = sqlx::query!(
        r#"
        with entry as materialized (
            select sent.place, sent.payload, members.username,
                   row_number() over (order by sent.place) as nth
            from unnest($2::uuid[], $3::text[]) with ordinality as sent (account_id, payload, place)
            join members on members.calendar_id = $1 and members.account_id = sent.account_id
        ), cursor as (
            update calendars set
                last_seq = last_seq + (select count(*) from entry),
                messages = messages + (select count(*) from entry)
            where calendar_id = $1 and deleted_at is null and exists (select from entry)
            returning last_seq - (select count(*) from entry) as base, app_now() as at
        ), kept as (
            insert into calendar_changes (calendar_id, seq, kind, by_name, at, payload)
            select $1, cursor.base + entry.nth, 'message', entry.username, cursor.at, entry.payload
            from cursor, entry
        )
        select entry.place as "place!", cursor.base + entry.nth as "seq!",
               cursor.at as "at!: jiff_sqlx::Timestamp"
        from cursor, entry
        order by entry.nth
        "#,
        calendar_id,
        senders,
        payloads,
    )
    .fetch_all(executor)
    .await?;
    let kept = rows.into_iter().map(|row| KeptMessage {
        index: row.place as usize - 1,
        seq: row.seq,
        at: row.at.to_jiff(),
    });
    Ok(kept.collect())
}

impl Store {
    /// Appends messages by itself.
    pub async fn append_messages(
        &self,
        calendar_id: Uuid,
        senders: &[Uuid],
        payloads: &[String],
    ) -> Result<Vec<KeptMessage>, Fault> {
        append(self.pool(), calendar_id, senders, payloads).await
    }
}

impl Tx {
    /// Appends one message, with what else is to become true. None when its
    /// sender is no member, or the calendar is gone.
    pub async fn append_message(
        &mut self,
        calendar_id: Uuid,
        sender: Uuid,
        payload: &str,
    ) -> Result<Option<KeptMessage>, Fault> {
        let kept = append(&mut *self.inner, calendar_id, &[sender], &[payload.to_owned()]).await?;
        Ok(kept.into_iter().next())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    async fn calendar(pool: &PgPool, members: &[Uuid]) -> Uuid {
        let calendar_id = Uuid::now_v7();
        sqlx::query(
            "insert into calendars (calendar_id, calendar_name, name_key, password_hash, time_zone)
             values ($1, 'a', 'a', '', 'UTC')",
        )
        .bind(calendar_id)
        .execute(pool)
        .await
        .unwrap();
        for (nth, account_id) in members.iter().enumerate() {
            sqlx::query(
                "insert into members (calendar_id, account_id, username, username_key, role, joined_seq)
                 values ($1, $2, $3, $3, 'viewer', 0)",
            )
            .bind(calendar_id)
            .bind(account_id)
            .bind(format!("m{nth}"))
            .execute(pool)
            .await
            .unwrap();
        }
        calendar_id
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn members_are_kept_in_order_and_strangers_are_left_out(pool: PgPool) {
        let (ann, bob, eve) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let store = Store::new(pool.clone());
        let calendar_id = calendar(&pool, &[ann, bob]).await;
        let payloads: Vec<_> = (0..5).map(|n| format!(r#"{{"message":"{n}"}}"#)).collect();
        let kept = store.append_messages(calendar_id, &[ann, eve, bob, ann, eve], &payloads).await.unwrap();
        let places: Vec<_> = kept.iter().map(|kept| (kept.index, kept.seq)).collect();
        assert_eq!(places, [(0, 1), (2, 2), (3, 3)]);
        let log = store.changes_after(calendar_id, 0, 10).await.unwrap();
        let said: Vec<_> = log.iter().map(|change| (change.seq, &*change.by, &*change.payload)).collect();
        assert_eq!(said, [(1, "m0", &*payloads[0]), (2, "m1", &*payloads[2]), (3, "m0", &*payloads[3])]);
        assert_eq!(log[0].at, kept[0].at);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn nothing_is_kept_of_strangers_or_in_a_calendar_that_is_gone(pool: PgPool) {
        let ann = Uuid::now_v7();
        let store = Store::new(pool.clone());
        let calendar_id = calendar(&pool, &[ann]).await;
        let say = |who: Uuid| {
            let store = store.clone();
            async move { store.append_messages(calendar_id, &[who], &["{}".to_owned()]).await.unwrap().len() }
        };
        assert_eq!(say(Uuid::now_v7()).await, 0);
        assert_eq!(store.last_seqs(&[calendar_id]).await.unwrap(), [(calendar_id, 0)]);
        assert_eq!(say(ann).await, 1);
        sqlx::query("update calendars set deleted_at = app_now()").execute(&pool).await.unwrap();
        assert_eq!(say(ann).await, 0);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn many_writers_leave_no_gap(pool: PgPool) {
        let ann = Uuid::now_v7();
        let store = Store::new(pool.clone());
        let calendar_id = calendar(&pool, &[ann]).await;
        let writers = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for size in 1..6 {
                    let payloads = vec!["{}".to_owned(); size];
                    store.append_messages(calendar_id, &vec![ann; size], &payloads).await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let log = store.changes_after(calendar_id, 0, 1000).await.unwrap();
        let seqs: Vec<_> = log.iter().map(|change| change.seq).collect();
        assert_eq!(seqs, (1..=120).collect::<Vec<_>>());
    }
}
