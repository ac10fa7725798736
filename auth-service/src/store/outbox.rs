//! Table `outbox`.

use std::time::Duration;

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, Tx, seconds};

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// The account that is the key is gone.
    AccountRemoved,
}

/// Who is to hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// calendar-service.
    Calendar,
    /// notification-service.
    Notification,
    /// activity-service.
    Activity,
}

/// A claimed row: ours until the lease ends.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The row.
    pub(crate) outbox_id: i64,
    /// What it is about.
    pub(crate) key: Uuid,
    /// What is to be said; `None` for a kind that only a later version knows.
    pub(crate) kind: Option<MessageKind>,
    /// Who is to hear it; `None` for one that only a later version knows.
    pub(crate) receiver: Option<Receiver>,
    /// This try's number, from 1.
    pub(crate) attempts: u32,
    /// The number of the claim; only its holder may record the outcome.
    pub(crate) fence: i64,
}

/// What waits in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Backlog {
    /// Rows.
    pub(crate) waiting: i64,
    /// Seconds since the oldest was written.
    pub(crate) oldest: f64,
}

// === impl MessageKind ===

impl MessageKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccountRemoved => "account_removed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        (text == Self::AccountRemoved.as_str()).then_some(Self::AccountRemoved)
    }
}

// === impl Receiver ===

impl Receiver {
    const ALL: [Self; 3] = [Self::Calendar, Self::Notification, Self::Activity];

    /// As it is kept.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Notification => "notification",
            Self::Activity => "activity",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|receiver| receiver.as_str() == text)
    }
}

impl Tx {
    /// Adds a message, to be sent once this transaction is committed.
    pub(crate) async fn post(
        &mut self,
        key: Uuid,
        kind: MessageKind,
        receiver: Receiver,
    ) -> Result<(), Fault> {
        sqlx::query!(
            "insert into outbox (key, kind, receiver) values ($1, $2, $3)",
            key,
            kind.as_str(),
            receiver.as_str(),
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Claims up to `limit` due messages for `lease`: the oldest of each key and
    /// receiver, so that the order within a key is kept, and nobody waits for
    /// another receiver.
    pub(crate) async fn claim_messages(&self, limit: u32, lease: Duration) -> Result<Vec<Message>, Fault> {
        let mut rows = sqlx::query!(
            "with clock as materialized (select app_now() as at),
             due as (
                 select o.outbox_id from outbox o, clock
                 where o.next_attempt_at <= at and (o.lease_until is null or o.lease_until <= at)
                     and not exists (
                         select from outbox earlier
                         where earlier.key = o.key and earlier.receiver = o.receiver
                             and earlier.outbox_id < o.outbox_id
                     )
                 order by o.outbox_id limit $1
                 for update of o skip locked
             )
             update outbox o
             set attempts = o.attempts + 1, fence = o.fence + 1,
                 lease_until = at + make_interval(secs => $2)
             from due, clock where o.outbox_id = due.outbox_id
             returning o.outbox_id, o.key, o.kind, o.receiver, o.attempts, o.fence",
            i64::from(limit),
            seconds(lease),
        )
        .fetch_all(&self.pool)
        .await?;
        // `returning` keeps no order.
        rows.sort_unstable_by_key(|row| row.outbox_id);
        let messages = rows.into_iter().map(|row| Message {
            outbox_id: row.outbox_id,
            key: row.key,
            kind: MessageKind::parse(&row.kind),
            receiver: Receiver::parse(&row.receiver),
            attempts: row.attempts.unsigned_abs(),
            fence: row.fence,
        });
        Ok(messages.collect())
    }

    /// The message was delivered; `false` when the claim is not ours any more.
    pub(crate) async fn settle_message(&self, message: &Message) -> Result<bool, Fault> {
        let settled = sqlx::query!(
            "delete from outbox where outbox_id = $1 and fence = $2",
            message.outbox_id,
            message.fence,
        )
        .execute(&self.pool)
        .await?;
        Ok(settled.rows_affected() == 1)
    }

    /// The message was not delivered; it is due again after `delay`. `false`
    /// when the claim is not ours any more.
    pub(crate) async fn postpone_message(&self, message: &Message, delay: Duration) -> Result<bool, Fault> {
        let postponed = sqlx::query!(
            "update outbox set lease_until = null, next_attempt_at = app_now() + make_interval(secs => $3)
             where outbox_id = $1 and fence = $2",
            message.outbox_id,
            message.fence,
            seconds(delay),
        )
        .execute(&self.pool)
        .await?;
        Ok(postponed.rows_affected() == 1)
    }

    /// What waits.
    pub(crate) async fn backlog(&self) -> Result<Backlog, Fault> {
        let backlog = sqlx::query_as!(
            Backlog,
            r#"select count(*) as "waiting!",
                   coalesce(extract(epoch from app_now() - min(created_at))::float8, 0) as "oldest!"
               from outbox"#,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(backlog)
    }
}
