//! Calendars, events, the change log, members (CONTRACTS, Calendars).

mod calendar_view;
mod event_fields;
mod event_view;

pub(super) mod calendars;
pub(super) mod changes;
pub(super) mod create_calendar;
pub(super) mod create_event;
pub(super) mod event;
pub(super) mod get_events;
pub(super) mod list_events;
pub(super) mod members;
pub(super) mod messages;
pub(super) mod own_reminders;
pub(super) mod update_calendar;
pub(super) mod update_event;
