//! Changes an event: its object is edited, the columns follow.

use std::sync::Arc;

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use super::{Frame, content, etag, not_found, view};
use crate::{
    error::FieldErrors,
    ical::{columns, edit},
    model::{ChangeKind, EventFields, EventView, Membership, NewChange},
    outbox,
    service::Service,
    store::{StoredEvent, Tx},
};

/// With `*` the newest revision is changed, whatever it is; after so many
/// others were faster, the caller hears `stale` all the same.
const TRIES: usize = 5;

/// Merges `fields` into an event. `if_match`: the etag the caller knows, or `*`.
/// `event_not_found`, `read_only`, `invalid`, `stale`, `participant_unknown`.
pub async fn update(
    service: &Service,
    caller: &Identity,
    event_id: Uuid,
    if_match: &str,
    fields: EventFields,
) -> Result<EventView, Fault> {
    for _ in 0..TRIES {
        let stored = service.store.stored_event(event_id, caller.account_id).await?.ok_or_else(not_found)?;
        stored.role.may_write()?;
        if let Some(view) = attempt(service, caller, &stored, if_match, fields.clone()).await? {
            return Ok(view);
        }
        if !etag::is_any(if_match) {
            break;
        }
    }
    Err(etag::stale())
}

/// One try; none when somebody else changed the event since it was read.
async fn attempt(
    service: &Service,
    caller: &Identity,
    stored: &StoredEvent,
    if_match: &str,
    fields: EventFields,
) -> Result<Option<EventView>, Fault> {
    let event_id = stored.event_id;
    let before = columns(&stored.ical).map_err(|error| Fault::internal(&error))?;
    let wanted = content::wanted(&fields);
    let mut content = content::merge(fields, Some(&before), FieldErrors::new())?;
    etag::check(if_match, stored.revision)?;

    let mut tx = service.store.begin().await?;
    let place = tx.enter(stored.calendar_id, caller.account_id).await?.ok_or_else(not_found)?;
    place.role.may_write()?;
    let revision = tx.event_revision(stored.calendar_id, event_id).await?.ok_or_else(not_found)?;
    if revision != stored.revision {
        return Ok(None);
    }
    let participants = participants(&mut tx, &place, stored, wanted).await?;
    let (accounts, names): (Vec<_>, Vec<_>) = participants.into_iter().unzip();
    content.participants = accounts;
    let ical = edit(&stored.ical, &content, stored.now).map_err(|error| Fault::internal(&error))?;
    let after = columns(&ical).map_err(|error| Fault::internal(&error))?;
    let seq = place.last_seq + 1;
    tx.update_event(event_id, (&ical, &after), &names, (seq, stored.now)).await?;
    let frame = Frame {
        event_id,
        calendar_id: stored.calendar_id,
        calendar_name: &place.calendar_name,
        created_by: &stored.created_by_name,
        participants: names,
        default_reminders: &stored.default_reminders,
        revision: revision + 1,
        created_at: stored.created_at,
        updated_at: stored.now,
        seq,
    };
    let view = view(&after, frame);
    let change = NewChange {
        kind: ChangeKind::EventUpdated,
        by: Arc::clone(&caller.username),
        subject: None,
        payload: view.payload(),
    };
    let changes = tx.append(stored.calendar_id, vec![change]).await?;
    if after.participants != stored.participants {
        outbox::queue_participants(&mut tx, event_id, revision + 1, &after.participants).await?;
    }
    let moved =
        (after.when.starts_at(), after.when.ends_at()) != (before.when.starts_at(), before.when.ends_at());
    if moved || after.reminders != before.reminders {
        tx.queue_reminders(event_id).await?;
    }
    tx.commit().await?;
    service.announce(changes);
    Ok(Some(view))
}

/// Who participates from now on, as of the lock: members only, the creator
/// among them as long as they are one.
async fn participants(
    tx: &mut Tx,
    place: &Membership,
    stored: &StoredEvent,
    wanted: Option<Vec<String>>,
) -> Result<Vec<(Uuid, String)>, Fault> {
    let Some(wanted) = wanted else {
        return tx.members_among(place.calendar_id, &stored.participants).await;
    };
    let members = tx.members_named(place.calendar_id, &wanted).await?;
    let creator = tx.members_among(place.calendar_id, &[stored.created_by]).await?;
    content::resolve(&wanted, members, creator.into_iter().next())
}
