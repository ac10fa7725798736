//! The inbox: what concerns one person alone, kept in order, handed to their
//! sockets now or when they come next.

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use crate::{
    model::{InboxEntry, InboxKind, NotificationPayload},
    service::Service,
    store::{DeliveryScope, NewEntry},
};

/// A page without a limit.
const DEFAULT: u32 = 100;
/// The longest page.
const LONGEST: u32 = 1000;
/// Characters of a notification.
const MESSAGE: usize = 10_000;

/// A notification for one person.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The id of the delivery: a repeat changes nothing.
    pub id: String,
    /// Whom it is for.
    pub account_id: Uuid,
    /// The text.
    pub message: String,
    /// The device it is about; empty: none.
    pub device_id: String,
}

/// A page of an inbox.
#[derive(Clone, Debug)]
pub struct InboxPage {
    /// Entries, in order.
    pub entries: Vec<InboxEntry>,
    /// The seq of the newest entry.
    pub last_seq: i64,
}

/// Puts a notification into the inbox of an account. `invalid`.
pub async fn notify(service: &Service, notification: &Notification) -> Result<(), Fault> {
    let Notification { id, account_id, message, device_id } = notification;
    if message.trim().is_empty() || message.chars().count() > MESSAGE {
        return Err(Fault::invalid("message", "must have 1 to 10,000 characters"));
    }
    let payload = NotificationPayload { id, message, device_id };
    let payload = serde_json::to_string(&payload).map_err(|error| Fault::internal(&error))?;
    let mut tx = service.store.begin().await?;
    let first = tx.first_delivery(DeliveryScope::Notification(*account_id), id).await?;
    if first {
        let entry = NewEntry { kind: InboxKind::Notification, payload: &payload, until: None };
        tx.put_into_inboxes(&[*account_id], entry).await?;
        tx.commit().await?;
        service.call(vec![*account_id]);
    }
    let outcome = if first { "delivered" } else { "repeated" };
    metrics::counter!("inbox_deliveries_total", "service" => "calendar", "kind" => "notification", "outcome" => outcome)
        .increment(1);
    Ok(())
}

/// The caller's entries after `since`; `limit` 0 means 100, at most 1,000. `invalid`.
pub async fn list(service: &Service, caller: &Identity, since: i64, limit: u32) -> Result<InboxPage, Fault> {
    if since < 0 {
        return Err(Fault::invalid("since", "must not be negative"));
    }
    let limit = match limit {
        0 => DEFAULT,
        limit if limit <= LONGEST => limit,
        _ => return Err(Fault::invalid("limit", format!("must be at most {LONGEST}"))),
    };
    let seqs = service.store.inbox_seqs(&[caller.account_id]).await?;
    let entries = service.store.inbox_page(caller.account_id, since, limit).await?;
    let last_seq = seqs.first().map_or(0, |(_, seq)| *seq);
    let newest = entries.last().map_or(0, |entry| entry.seq);
    Ok(InboxPage { entries, last_seq: last_seq.max(newest) })
}

/// The caller has seen this entry and all before it. `invalid`.
pub async fn mark_seen(service: &Service, caller: &Identity, seq: i64) -> Result<(), Fault> {
    if seq < 0 {
        return Err(Fault::invalid("seq", "must not be negative"));
    }
    service.store.mark_seen(caller.account_id, seq).await
}
