//! Events: create (a saga), read, update, delete.

mod content;
mod create;
mod delete;
mod etag;
mod lists;
mod update;
mod window;

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use jiff::Timestamp;
use uuid::Uuid;

pub use self::{
    create::{create, create_once},
    delete::delete,
    lists::{EventList, Lists},
    update::update,
    window::{PageRequest, joined, page},
};
use crate::{ical::Columns, model::EventView, service::Service};

/// One event. `event_not_found`.
pub async fn get(service: &Service, caller: &Identity, event_id: Uuid) -> Result<EventView, Fault> {
    let row = service.store.event(event_id, caller.account_id).await?;
    row.map(crate::store::EventRow::into_view).ok_or_else(not_found)
}

/// The one answer by id, for foreign and absent alike.
pub(crate) fn not_found() -> Fault {
    Fault::of(Reason::EventNotFound)
}

/// What an event's object does not say.
struct Frame<'a> {
    event_id: Uuid,
    calendar_id: Uuid,
    calendar_name: &'a str,
    created_by: &'a str,
    participants: Vec<String>,
    default_reminders: &'a [u32],
    revision: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    seq: i64,
}

/// The event as clients see it, from what was just written.
fn view(columns: &Columns, frame: Frame<'_>) -> EventView {
    EventView {
        event_id: frame.event_id,
        calendar_id: frame.calendar_id,
        calendar_name: frame.calendar_name.to_owned(),
        event_name: columns.summary.clone(),
        event_start: columns.when.start_text(),
        event_end: columns.when.end_text(),
        time_zone: columns.when.zone().name().to_owned(),
        all_day: columns.when.is_all_day(),
        location: columns.location.clone(),
        description: columns.description.clone(),
        participants: frame.participants,
        reminders: columns.reminders.clone().unwrap_or_else(|| frame.default_reminders.to_vec()),
        created_by: frame.created_by.to_owned(),
        etag: etag::of(frame.revision),
        created_at: frame.created_at.to_string(),
        updated_at: frame.updated_at.to_string(),
        seq: frame.seq,
    }
}
