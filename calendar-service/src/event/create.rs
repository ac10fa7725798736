//! Creates an event: checks here, then a saga with auth-service.

use std::sync::Arc;

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, IdempotencyKey, Who},
    tokens::Identity,
};
use uuid::Uuid;

use super::{Frame, content, view};
use crate::{
    calendar,
    error::FieldErrors,
    ical::{Stamp, columns, compose},
    model::{EventFields, EventView},
    saga::{Plan, create_event},
    service::Service,
};

/// Creates an event in the calendar of this name. `calendar_not_found`,
/// `not_a_member`, `read_only`, `invalid`, `participant_unknown`, `unavailable`
/// (undone, or being undone: it will not appear), `deadline_exceeded`.
pub async fn create(
    service: &Service,
    caller: &Identity,
    calendar_name: &str,
    fields: EventFields,
) -> Result<EventView, Fault> {
    make(service, caller, calendar_name, fields, None).await.map(|made| made.answer)
}

/// The same, once for a key of the caller's, by whichever way it comes in again.
/// `idempotency_mismatch`, `idempotency_in_flight`.
pub async fn create_once(
    service: &Service,
    caller: &Identity,
    calendar_name: &str,
    fields: EventFields,
    key: Option<&IdempotencyKey>,
) -> Result<Answered<EventView>, Fault> {
    let idempotency = service.store.idempotency();
    let who = Who::Account(caller.account_id);
    let claim = idempotency.claim(who, "create_event", key, &(calendar_name, &fields)).await?;
    if let Some(first) = idempotency.first(claim.as_ref()).await? {
        return Ok(first);
    }
    let made = make(service, caller, calendar_name, fields, claim.as_ref()).await;
    idempotency.settle(claim.as_ref(), &made).await;
    made
}

async fn make(
    service: &Service,
    caller: &Identity,
    calendar_name: &str,
    fields: EventFields,
    claim: Option<&Claim>,
) -> Result<Answered<EventView>, Fault> {
    let mut errors = FieldErrors::new();
    if calendar_name.trim().is_empty() {
        errors.add("calendar_name", "is required");
        return Err(content::merge(fields, None, errors).err().unwrap_or_else(calendar::not_found));
    }
    let found = service.store.find_calendar(calendar_name, caller.account_id).await?;
    let found = found.ok_or_else(calendar::not_found)?;
    found.role.ok_or_else(|| Fault::of(Reason::NotAMember))?.may_write()?;

    let wanted = content::wanted(&fields).unwrap_or_default();
    let mut content = content::merge(fields, None, errors)?;
    let members = if wanted.is_empty() {
        Vec::new()
    } else {
        service.store.members_named(found.calendar_id, &wanted).await?
    };
    let creator = (caller.account_id, caller.username.to_string());
    let participants = content::resolve(&wanted, members, Some(creator))?;
    let (accounts, names): (Vec<_>, Vec<_>) = participants.into_iter().unzip();
    content.participants = accounts;

    let event_id = Uuid::now_v7();
    let ical = compose(&content, Stamp { event_id, organizer: caller.account_id, at: found.now });
    let columns = columns(&ical).map_err(|error| Fault::internal(&error))?;
    let frame = Frame {
        event_id,
        calendar_id: found.calendar_id,
        calendar_name: &found.calendar_name,
        created_by: &caller.username,
        participants: names,
        default_reminders: &found.default_reminders,
        revision: 1,
        created_at: found.now,
        updated_at: found.now,
        seq: 0,
    };
    let plan = Plan {
        saga_id: Uuid::now_v7(),
        account_id: caller.account_id,
        username: Arc::clone(&caller.username),
        view: view(&columns, frame),
        at: found.now,
        ical,
        columns,
        claim: claim.cloned(),
    };
    create_event::run(service, plan).await
}
