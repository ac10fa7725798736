//! Deletes an event.

use std::sync::Arc;

use chassis::{fault::Fault, tokens::Identity};
use serde_json::json;
use uuid::Uuid;

use super::{etag, not_found};
use crate::{
    model::{ChangeKind, NewChange},
    outbox,
    service::Service,
};

/// Deletes an event. `if_match`: the etag the caller knows, or `*`.
/// `event_not_found`, `read_only`, `stale`.
pub async fn delete(
    service: &Service,
    caller: &Identity,
    event_id: Uuid,
    if_match: &str,
) -> Result<(), Fault> {
    let stored = service.store.stored_event(event_id, caller.account_id).await?.ok_or_else(not_found)?;
    stored.role.may_write()?;
    let mut tx = service.store.begin().await?;
    let place = tx.enter(stored.calendar_id, caller.account_id).await?.ok_or_else(not_found)?;
    place.role.may_write()?;
    let revision = tx.event_revision(stored.calendar_id, event_id).await?.ok_or_else(not_found)?;
    etag::check(if_match, revision)?;
    tx.queue_no_reminders(event_id).await?;
    tx.delete_event(event_id).await?;
    let change = NewChange {
        kind: ChangeKind::EventDeleted,
        by: Arc::clone(&caller.username),
        subject: None,
        payload: json!({ "event_id": event_id }).to_string(),
    };
    let changes = tx.append(stored.calendar_id, vec![change]).await?;
    outbox::queue_participants(&mut tx, event_id, revision + 1, &[]).await?;
    tx.commit().await?;
    service.announce(changes);
    Ok(())
}
