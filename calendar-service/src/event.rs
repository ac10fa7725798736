//! Events: create (a saga), read, update, delete.

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use crate::{
    model::{EventFields, EventView},
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
    let _ = (service, caller, calendar_name, fields);
    todo!()
}

/// One event. `event_not_found`.
pub async fn get(service: &Service, caller: &Identity, event_id: Uuid) -> Result<EventView, Fault> {
    let _ = (service, caller, event_id);
    todo!()
}

/// Merges `fields` into an event. `if_match`: the etag the caller knows, or `*`.
/// `event_not_found`, `read_only`, `stale`, `invalid`, `participant_unknown`.
pub async fn update(
    service: &Service,
    caller: &Identity,
    event_id: Uuid,
    if_match: &str,
    fields: EventFields,
) -> Result<EventView, Fault> {
    let _ = (service, caller, event_id, if_match, fields);
    todo!()
}

/// Deletes an event. `event_not_found`, `read_only`, `stale`.
pub async fn delete(
    service: &Service,
    caller: &Identity,
    event_id: Uuid,
    if_match: &str,
) -> Result<(), Fault> {
    let _ = (service, caller, event_id, if_match);
    todo!()
}
