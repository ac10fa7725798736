//! `inboxes` and `inbox_entries`: what concerns one person alone.

use std::time::Duration;

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx, column::corrupt};
use crate::model::{InboxEntry, InboxKind, Instant};

/// Entries that an inbox keeps; the oldest goes when there is one more.
pub const INBOX_ENTRIES: i64 = 1_000;

/// An entry to be, the same for everybody it concerns.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// What it is.
    pub kind: InboxKind,
    /// A JSON object: what the frame says beyond the columns.
    pub payload: &'a str,
    /// Who connects later is not handed it any more.
    pub until: Option<Instant>,
}

/// An entry as a row.
struct Row {
    account_id: Uuid,
    seq: i64,
    kind: String,
    payload: String,
    at: jiff_sqlx::Timestamp,
    seen: bool,
}

impl TryFrom<Row> for InboxEntry {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        Ok(Self {
            account_id: row.account_id,
            seq: row.seq,
            kind: InboxKind::parse(&row.kind).ok_or_else(|| corrupt("inbox_entries", "kind", &row.kind))?,
            payload: row.payload,
            at: row.at.to_jiff(),
            seen: row.seen,
        })
    }
}

fn entries(rows: Vec<Row>) -> Result<Vec<InboxEntry>, Fault> {
    rows.into_iter().map(TryFrom::try_from).collect()
}

impl Tx {
    /// Puts an entry into the inbox of each of these accounts, every one named
    /// once: takes the next seqs and writes the rows in one statement.
    pub async fn put_into_inboxes(&mut self, accounts: &[Uuid], new: NewEntry<'_>) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            with next as (
                insert into inboxes as i (account_id, last_seq)
                -- In one order for all: two of these statements never lock crosswise.
                select account_id, 1 from unnest($1::uuid[]) as concerned (account_id) order by account_id
                on conflict (account_id) do update set last_seq = i.last_seq + 1
                returning i.account_id, i.last_seq
            ), trimmed as (
                delete from inbox_entries e using next
                where e.account_id = next.account_id and e.seq <= next.last_seq - $5::bigint
            )
            insert into inbox_entries (account_id, seq, kind, payload, until)
            select account_id, last_seq, $2, $3, $4 from next
            "#,
            accounts,
            new.kind.as_str(),
            new.payload,
            new.until as Option<Instant>,
            INBOX_ENTRIES,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The entries after `since`, in order, at most `limit`.
    pub async fn inbox_page(
        &self,
        account_id: Uuid,
        since: i64,
        limit: u32,
    ) -> Result<Vec<InboxEntry>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            r#"
            select account_id, seq, kind, payload, at as "at: jiff_sqlx::Timestamp", seen_at is not null as "seen!"
            from inbox_entries
            where account_id = $1 and seq > $2
            order by seq
            limit $3
            "#,
            account_id,
            since,
            i64::from(limit),
        );
        entries(rows.fetch_all(self.pool()).await?)
    }

    /// The seq of the newest entry of each of these accounts that ever had one.
    pub async fn inbox_seqs(&self, accounts: &[Uuid]) -> Result<Vec<(Uuid, i64)>, Fault> {
        let rows =
            sqlx::query!("select account_id, last_seq from inboxes where account_id = any ($1)", accounts);
        let rows = rows.fetch_all(self.pool()).await?;
        Ok(rows.into_iter().map(|row| (row.account_id, row.last_seq)).collect())
    }

    /// The entries of each account after the seq beside it, in order, at most
    /// `limit` altogether.
    pub async fn inbox_after(&self, places: &[(Uuid, i64)], limit: i64) -> Result<Vec<InboxEntry>, Fault> {
        let (accounts, seqs): (Vec<_>, Vec<_>) = places.iter().copied().unzip();
        let rows = sqlx::query_as!(
            Row,
            r#"
            select e.account_id, e.seq, e.kind, e.payload, e.at as "at: jiff_sqlx::Timestamp",
                e.seen_at is not null as "seen!"
            from unnest($1::uuid[], $2::bigint[]) as told (account_id, seq)
            join inbox_entries e on e.account_id = told.account_id and e.seq > told.seq
            order by e.account_id, e.seq
            limit $3
            "#,
            &accounts,
            &seqs,
            limit,
        );
        entries(rows.fetch_all(self.pool()).await?)
    }

    /// What waits for the next socket of these accounts and has not grown old:
    /// the first `limit` of each, in order.
    pub async fn untold(&self, accounts: &[Uuid], limit: i64) -> Result<Vec<InboxEntry>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            r#"
            select w.account_id as "account_id!", w.seq as "seq!", w.kind as "kind!", w.payload as "payload!",
                w.at as "at!: jiff_sqlx::Timestamp", false as "seen!"
            from unnest($1::uuid[]) as came (account_id)
            cross join lateral (
                select * from inbox_entries e
                where e.account_id = came.account_id and e.told_at is null
                    and (e.until is null or e.until > app_now())
                order by e.seq
                limit $2
            ) w
            order by w.account_id, w.seq
            "#,
            accounts,
            limit,
        );
        entries(rows.fetch_all(self.pool()).await?)
    }

    /// What was told these accounts in the time beside each, after the seq beside each.
    pub async fn told_lately(&self, places: &[(Uuid, i64, Duration)]) -> Result<Vec<InboxEntry>, Fault> {
        let accounts: Vec<_> = places.iter().map(|(account, ..)| *account).collect();
        let seqs: Vec<_> = places.iter().map(|(_, seq, _)| *seq).collect();
        let ages: Vec<_> = places.iter().map(|(.., age)| age.as_secs_f64()).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"
            select e.account_id, e.seq, e.kind, e.payload, e.at as "at: jiff_sqlx::Timestamp", false as "seen!"
            from unnest($1::uuid[], $2::bigint[], $3::float8[]) as came (account_id, seq, age)
            join inbox_entries e on e.account_id = came.account_id and e.seq > came.seq
            where e.told_at > app_now() - make_interval(secs => came.age)
            order by e.account_id, e.seq
            "#,
            &accounts,
            &seqs,
            &ages,
        );
        entries(rows.fetch_all(self.pool()).await?)
    }

    /// These entries were handed to the sockets of their accounts.
    pub async fn mark_told(&self, places: &[(Uuid, i64)]) -> Result<(), Fault> {
        let (accounts, seqs): (Vec<_>, Vec<_>) = places.iter().copied().unzip();
        sqlx::query!(
            r#"
            update inbox_entries e set told_at = app_now()
            from unnest($1::uuid[], $2::bigint[]) as told (account_id, seq)
            where e.account_id = told.account_id and e.seq = told.seq and e.told_at is null
            "#,
            &accounts,
            &seqs,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The person has seen this entry and all before it: nobody need tell them.
    pub async fn mark_seen(&self, account_id: Uuid, seq: i64) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            update inbox_entries set seen_at = app_now(), told_at = coalesce(told_at, app_now())
            where account_id = $1 and seq <= $2 and seen_at is null
            "#,
            account_id,
            seq,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Forgets the inbox of an account that is gone.
    pub async fn forget_inbox(&self, account_id: Uuid) -> Result<(), Fault> {
        let forget = sqlx::query!(
            r#"
            with gone as (delete from inbox_entries where account_id = $1)
            delete from inboxes where account_id = $1
            "#,
            account_id,
        );
        forget.execute(self.pool()).await?;
        Ok(())
    }
}
