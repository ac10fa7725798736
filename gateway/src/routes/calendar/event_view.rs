//! An event as its readers see it: the same object on REST and sockets.

use axum::response::Response;
use chassis::fault::{Fault, Reason};
use http::StatusCode;
use proto::calendar::v1::{Event, EventList};
use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::answer;

/// An event. Times are RFC 3339 UTC with `Z`, or dates when `all_day`.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView<'a> {
    #[schema(format = Uuid, examples("019a9d2e-3333-7e70-a1f6-0123456789ab"))]
    event_id: &'a str,
    #[schema(format = Uuid, examples("019a9d2e-2222-7e70-a1f6-0123456789ab"))]
    calendar_id: &'a str,
    #[schema(examples("Family"))]
    calendar_name: &'a str,
    #[schema(examples("Dinner"))]
    event_name: &'a str,
    #[schema(examples("2026-03-01T18:00:00Z"))]
    event_start: &'a str,
    /// All day: the last day.
    #[schema(examples("2026-03-01T20:00:00Z"))]
    event_end: &'a str,
    /// IANA name: the zone that was meant.
    #[schema(examples("Europe/Berlin"))]
    time_zone: &'a str,
    all_day: bool,
    /// May be empty.
    #[schema(examples("At home"))]
    location: &'a str,
    /// May be empty.
    description: &'a str,
    /// Usernames, the creator's among them.
    #[schema(examples("ann", "bob"))]
    participants: &'a [String],
    /// Minutes before the start.
    #[schema(examples(10))]
    reminders: &'a [u32],
    /// The creator's username.
    #[schema(examples("ann"))]
    created_by: &'a str,
    /// For `If-Match`, there in quotes. Changes with every change of the event.
    etag: &'a str,
    #[schema(format = DateTime, examples("2026-02-20T09:00:00Z"))]
    created_at: &'a str,
    #[schema(format = DateTime, examples("2026-02-20T09:00:00Z"))]
    updated_at: &'a str,
    /// The `seq` of the change that made this revision.
    #[schema(examples(42))]
    seq: i64,
}

/// Events, ordered by start.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what is joined from its parts")]
pub(super) struct Events<'a> {
    events: Vec<EventView<'a>>,
}

/// A page of events, ordered by start.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what is joined from its parts")]
pub(super) struct EventPage<'a> {
    events: Vec<EventView<'a>>,
    /// For `cursor` of the next call; null on the last page.
    #[schema(required)]
    next_cursor: Option<&'a str>,
}

/// One event with its entity tag.
pub(super) fn answer(status: StatusCode, event: &Event) -> Response {
    answer::tagged(answer::json(status, &EventView::from(event)), &event.etag)
}

// === impl EventView ===

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            event_id: &event.event_id,
            calendar_id: &event.calendar_id,
            calendar_name: &event.calendar_name,
            event_name: &event.event_name,
            event_start: &event.event_start,
            event_end: &event.event_end,
            time_zone: &event.time_zone,
            all_day: event.all_day,
            location: &event.location,
            description: &event.description,
            participants: &event.participants,
            reminders: &event.reminders,
            created_by: &event.created_by,
            etag: &event.etag,
            created_at: &event.created_at,
            updated_at: &event.updated_at,
            seq: event.seq,
        }
    }
}

// === impl Events ===

impl Events<'_> {
    /// Such an object; the events are JSON already and are not read again.
    pub(super) fn json(list: &EventList) -> Result<Vec<u8>, Fault> {
        joined(list, "}")
    }
}

// === impl EventPage ===

impl EventPage<'_> {
    /// Such an object; the events are JSON already and are not read again.
    pub(super) fn json(list: &EventList) -> Result<Vec<u8>, Fault> {
        let cursor = Some(list.next_cursor.as_str()).filter(|cursor| !cursor.is_empty());
        let cursor = serde_json::to_string(&cursor).map_err(|error| Fault::internal(&error))?;
        joined(list, &format!(",\"next_cursor\":{cursor}}}"))
    }
}

/// `{"events":[…]` and the rest.
fn joined(list: &EventList, rest: &str) -> Result<Vec<u8>, Fault> {
    const HEAD: &[u8] = b"{\"events\":";
    // An empty array has its brackets.
    if list.events_json.is_empty() {
        tracing::error!("a list without its events");
        return Err(Fault::of(Reason::Internal));
    }
    Ok([HEAD, &list.events_json, rest.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_shows_all_its_fields() {
        let event =
            Event { event_id: "e".into(), participants: vec!["ann".into()], seq: 7, ..Event::default() };
        let json = serde_json::to_string(&EventView::from(&event)).unwrap();
        assert_eq!(
            json,
            r#"{"event_id":"e","calendar_id":"","calendar_name":"","event_name":"","event_start":"","event_end":"","#
                .to_owned()
                + r#""time_zone":"","all_day":false,"location":"","description":"","participants":["ann"],"#
                + r#""reminders":[],"created_by":"","etag":"","created_at":"","updated_at":"","seq":7}"#
        );
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let mut list = EventList { events_json: "[]".into(), ..EventList::default() };
        let page = |list: &EventList| String::from_utf8(EventPage::json(list).unwrap()).unwrap();
        assert_eq!(page(&list), r#"{"events":[],"next_cursor":null}"#);
        list.next_cursor = "c\"".into();
        assert_eq!(page(&list), r#"{"events":[],"next_cursor":"c\""}"#);
    }

    #[test]
    fn events_are_passed_on_as_they_are() {
        let list = EventList { events_json: r#"[{"seq":1},{"seq":2}]"#.into(), ..EventList::default() };
        assert_eq!(Events::json(&list).unwrap(), br#"{"events":[{"seq":1},{"seq":2}]}"#);
        // Who does not say what the events are has not said that there are none.
        assert!(Events::json(&EventList::default()).is_err());
    }
}
