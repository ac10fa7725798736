//! `calendar_changes`: the log.

use std::sync::Arc;

use chassis::fault::Fault;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Known, Store, Tx, column::corrupt};
use crate::model::{Change, ChangeKind, Membership, NewChange};

impl Tx {
    /// Appends to a calendar's log: takes the next seqs and writes the rows in
    /// one statement. The calendar's row stays locked until the commit, so keep
    /// what follows short.
    pub async fn append(&mut self, calendar_id: Uuid, changes: Vec<NewChange>) -> Result<Vec<Change>, Fault> {
        let count = changes.len() as i64;
        let kinds: Vec<_> = changes.iter().map(|change| change.kind.as_str().to_owned()).collect();
        let authors: Vec<_> = changes.iter().map(|change| change.by.to_string()).collect();
        let subjects: Vec<_> = changes.iter().map(|change| change.subject).collect();
        let payloads: Vec<_> = changes.iter().map(|change| change.payload.clone()).collect();
        let mut places = sqlx::query!(
            r#"
            with cursor as (
                update calendars set last_seq = last_seq + $2
                where calendar_id = $1
                returning last_seq - $2 as base
            )
            insert into calendar_changes (calendar_id, seq, kind, by_name, subject, payload)
            select $1, cursor.base + new.place, new.kind, new.by_name, new.subject, new.payload
            from cursor, unnest($3::text[], $4::text[], $5::uuid[], $6::text[])
                with ordinality as new (kind, by_name, subject, payload, place)
            returning seq, at as "at: jiff_sqlx::Timestamp"
            "#,
            calendar_id,
            count,
            &kinds,
            &authors,
            &subjects as &[Option<Uuid>],
            &payloads,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        places.sort_unstable_by_key(|place| place.seq);
        let appended = changes.into_iter().zip(places).map(|(change, place)| Change {
            calendar_id,
            seq: place.seq,
            kind: change.kind,
            by: change.by,
            at: place.at.to_jiff(),
            subject: change.subject,
            payload: change.payload.into(),
        });
        Ok(appended.collect())
    }
}

impl Store {
    /// The changes of a calendar after `seq`, in order, at most `limit`. No
    /// question of membership: for the hub, which knows it from the log itself.
    pub async fn changes_after(&self, calendar_id: Uuid, seq: i64, limit: u32) -> Result<Vec<Change>, Fault> {
        logged(changes_after(self.pool(), calendar_id, seq, limit).await?)
    }

    /// The same for a member; a standby may answer.
    pub async fn changes_for(&self, place: &Membership, seq: i64, limit: u32) -> Result<Vec<Change>, Fault> {
        let calendar_id = place.calendar_id;
        if let Some(standby) = self.standby(&[Known::of_log(calendar_id, place.last_seq)]).await {
            let read = async |on: &mut PgConnection| changes_after(on, calendar_id, seq, limit).await;
            if let Some(rows) = standby.answer(read).await {
                return logged(rows);
            }
        }
        self.changes_after(calendar_id, seq, limit).await
    }

    /// The messages of a calendar before `seq`, newest first, at most `limit`.
    /// Nothing for strangers. A standby may answer.
    pub async fn messages_before(
        &self,
        calendar_id: Uuid,
        account_id: Uuid,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<Change>, Fault> {
        if self.may_use_standby() {
            let Some(place) = self.membership(calendar_id, account_id).await? else { return Ok(Vec::new()) };
            if let Some(standby) = self.standby(&[Known::of_log(calendar_id, place.last_seq)]).await {
                let read = async |on: &mut PgConnection| {
                    messages_before(on, calendar_id, account_id, seq, limit).await
                };
                if let Some(messages) = standby.answer(read).await {
                    return Ok(messages);
                }
            }
        }
        Ok(messages_before(self.pool(), calendar_id, account_id, seq, limit).await?)
    }

    /// The newest seq of each of these calendars that still exists, deleted ones
    /// included (their last change says so).
    pub async fn last_seqs(&self, calendar_ids: &[Uuid]) -> Result<Vec<(Uuid, i64)>, Fault> {
        let rows = sqlx::query!(
            "select calendar_id, last_seq from calendars where calendar_id = any($1)",
            calendar_ids
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|row| (row.calendar_id, row.last_seq)).collect())
    }
}

/// A change as a row.
struct Row {
    seq: i64,
    kind: String,
    by_name: String,
    at: jiff_sqlx::Timestamp,
    subject: Option<Uuid>,
    payload: String,
}

async fn changes_after(
    executor: impl PgExecutor<'_>,
    calendar_id: Uuid,
    seq: i64,
    limit: u32,
) -> Result<(Uuid, Vec<Row>), sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"
            select seq, kind, by_name, at as "at: jiff_sqlx::Timestamp", subject, payload
            from calendar_changes
            where calendar_id = $1 and seq > $2
            order by seq
            limit $3
            "#,
        calendar_id,
        seq,
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    Ok((calendar_id, rows))
}

fn logged((calendar_id, rows): (Uuid, Vec<Row>)) -> Result<Vec<Change>, Fault> {
    let changes = rows.into_iter().map(|row| {
        Ok(Change {
            calendar_id,
            seq: row.seq,
            // Leaving one out would be a gap.
            kind: ChangeKind::parse(&row.kind)
                .ok_or_else(|| corrupt("calendar_changes", "kind", &row.kind))?,
            by: row.by_name.into(),
            at: row.at.to_jiff(),
            subject: row.subject,
            payload: Arc::from(row.payload),
        })
    });
    changes.collect()
}

async fn messages_before(
    executor: impl PgExecutor<'_>,
    calendar_id: Uuid,
    account_id: Uuid,
    seq: i64,
    limit: u32,
) -> Result<Vec<Change>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
            select h.seq, h.by_name, h.at as "at: jiff_sqlx::Timestamp", h.payload
            from calendar_changes h join calendars c using (calendar_id)
            where h.calendar_id = $1 and h.kind = 'message' and h.seq < $3 and c.deleted_at is null
                and exists (select from members m where m.calendar_id = $1 and m.account_id = $2)
            order by h.seq desc
            limit $4
            "#,
        calendar_id,
        account_id,
        seq,
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    let messages = rows.into_iter().map(|row| Change {
        calendar_id,
        seq: row.seq,
        kind: ChangeKind::Message,
        by: row.by_name.into(),
        at: row.at.to_jiff(),
        subject: None,
        payload: row.payload.into(),
    });
    Ok(messages.collect())
}
