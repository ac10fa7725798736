//! Messages of `calendar.v1`, from and to the words of the domain.

use chassis::fault::Fault;
use proto::calendar::v1 as wire;
use uuid::Uuid;

use crate::{
    calendar::{NewCalendar, SettingsPatch},
    change::Said,
    event::EventList,
    inbox::InboxPage,
    model::{CalendarView, Edit, EventFields, EventView, InboxEntry, MemberView, Role},
    reminder::OwnReminders,
};

/// An id; one that is none names nothing.
pub(super) fn id(text: &str, absent: impl FnOnce() -> Fault) -> Result<Uuid, Fault> {
    text.parse().map_err(|_| absent())
}

pub(super) fn role(text: &str) -> Result<Role, Fault> {
    Role::parse(text).ok_or_else(|| Fault::invalid("role", "must be owner, editor or viewer"))
}

pub(super) fn new_calendar(request: wire::CreateCalendarRequest) -> NewCalendar {
    NewCalendar {
        calendar_name: request.calendar_name,
        calendar_password: request.calendar_password,
        time_zone: request.time_zone,
        color: request.color,
    }
}

pub(super) fn settings(request: wire::UpdateCalendarRequest) -> SettingsPatch {
    SettingsPatch {
        calendar_name: Edit::from_option(request.calendar_name),
        calendar_password: Edit::from_option(request.calendar_password),
        time_zone: Edit::from_option(request.time_zone),
        color: Edit::from_option(request.color),
        default_reminders: Edit::from_option(request.default_reminders.map(|list| list.minutes)),
    }
}

pub(super) fn calendar(view: CalendarView) -> wire::Calendar {
    wire::Calendar {
        calendar_id: view.calendar_id.to_string(),
        calendar_name: view.calendar_name,
        time_zone: view.time_zone,
        color: view.color,
        role: view.role.as_str().to_owned(),
        member_count: view.member_count,
        last_seq: view.last_seq,
        created_at: view.created_at.to_string(),
        default_reminders: view.default_reminders,
    }
}

/// `cleared` names the fields that were sent as null.
pub(super) fn event_fields(fields: Option<wire::EventFields>, cleared: &[String]) -> EventFields {
    fn edit<T>(value: Option<T>, field: &str, cleared: &[String]) -> Edit<T> {
        Edit::from_option(value).or_cleared(cleared.iter().any(|name| name == field))
    }
    let fields = fields.unwrap_or_default();
    EventFields {
        event_name: edit(fields.event_name, "event_name", cleared),
        event_start: edit(fields.event_start, "event_start", cleared),
        event_end: edit(fields.event_end, "event_end", cleared),
        time_zone: edit(fields.time_zone, "time_zone", cleared),
        all_day: edit(fields.all_day, "all_day", cleared),
        location: edit(fields.location, "location", cleared),
        description: edit(fields.description, "description", cleared),
        participants: edit(fields.participants.map(|list| list.names), "participants", cleared),
        reminders: edit(fields.reminders.map(|list| list.minutes), "reminders", cleared),
    }
}

pub(super) fn event(view: EventView) -> wire::Event {
    wire::Event {
        event_id: view.event_id.to_string(),
        calendar_id: view.calendar_id.to_string(),
        calendar_name: view.calendar_name,
        event_name: view.event_name,
        event_start: view.event_start,
        event_end: view.event_end,
        time_zone: view.time_zone,
        all_day: view.all_day,
        location: view.location,
        description: view.description,
        participants: view.participants,
        reminders: view.reminders,
        created_by: view.created_by,
        etag: view.etag,
        created_at: view.created_at,
        updated_at: view.updated_at,
        seq: view.seq,
    }
}

pub(super) fn event_list(list: EventList) -> wire::EventList {
    wire::EventList { events_json: list.json, next_cursor: list.next_cursor }
}

pub(super) fn member(view: &MemberView) -> wire::Member {
    wire::Member {
        username: view.username.to_string(),
        role: view.role.as_str().to_owned(),
        joined_at: view.joined_at.to_string(),
    }
}

pub(super) fn message(said: Said) -> wire::Message {
    wire::Message { seq: said.seq, message: said.message, by: said.by.to_string(), at: said.at.to_string() }
}

pub(super) fn own_reminders(own: OwnReminders) -> wire::OwnReminders {
    wire::OwnReminders { event_id: own.event_id.to_string(), minutes: own.minutes, own: own.own }
}

pub(super) fn inbox(page: InboxPage) -> wire::ListInboxResponse {
    let entry = |entry: InboxEntry| wire::InboxEntry {
        seq: entry.seq,
        kind: entry.kind.as_str().to_owned(),
        frame_json: entry.frame(),
        at: entry.at.to_string(),
        seen: entry.seen,
    };
    wire::ListInboxResponse {
        entries: page.entries.into_iter().map(entry).collect(),
        last_seq: page.last_seq,
    }
}
