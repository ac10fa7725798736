use serde_json::{Value, json};

use super::*;
use crate::model::EventView;

fn fields(body: &Value) -> EventFields {
    EventFields::from_json(body.as_object().unwrap()).unwrap()
}

fn read(body: &Value) -> Result<EventContent, Fault> {
    merge(fields(body), None, FieldErrors::new())
}

fn complaints(result: Result<EventContent, Fault>) -> Vec<String> {
    result.unwrap_err().fields.into_iter().map(|error| error.field).collect()
}

/// The columns that an event with this content would have.
fn columns(content: EventContent) -> Columns {
    Columns {
        uid: String::new(),
        summary: content.name,
        when: content.when,
        location: content.location,
        description: content.description,
        reminders: content.reminders,
        participants: content.participants,
        sequence: 0,
        status: String::new(),
    }
}

fn dinner() -> Columns {
    let body = json!({
        "event_name": "Dinner", "event_start": "2026-03-01T19:00:00", "event_end": "2026-03-01T21:00:00",
        "time_zone": "Europe/Berlin", "location": "Home", "reminders": [10],
    });
    columns(read(&body).unwrap())
}

#[test]
fn a_wall_clock_is_read_in_the_zone_of_the_same_object() {
    let dinner = dinner();
    assert_eq!(dinner.when.start_text(), "2026-03-01T18:00:00Z");
    assert_eq!(dinner.when.zone().name(), "Europe/Berlin");
    let without = read(
        &json!({ "event_name": "x", "event_start": "2026-03-01T19:00:00", "event_end": "2026-03-01T19:00:00" }),
    );
    let without = without.unwrap();
    assert_eq!(
        (without.when.start_text().as_str(), without.when.zone().name()),
        ("2026-03-01T19:00:00Z", "UTC")
    );
    assert_eq!(without.reminders, None, "the calendar's hold");
}

#[test]
fn every_complaint_is_named_at_once() {
    let body = json!({
        "event_name": " ", "event_start": "soon", "event_end": "2026-13-01T00:00:00Z", "time_zone": "Mars/Base",
        "location": "\u{0}", "reminders": [9_999_999], "participants": vec!["x"; 201],
    });
    assert_eq!(
        complaints(read(&body)),
        ["event_name", "location", "reminders", "participants", "time_zone", "event_start", "event_end"]
    );
    assert_eq!(complaints(read(&json!({}))), ["event_name", "event_start", "event_end"]);
    let backwards = json!({ "event_name": "x", "event_start": "2026-03-01T19:00:00Z", "event_end": "2026-03-01T18:59:59Z" });
    assert_eq!(complaints(read(&backwards)), ["event_end"]);
}

#[test]
fn a_patch_changes_what_it_says() {
    let base = dinner();
    let patch = |body: &Value| merge(fields(body), Some(&base), FieldErrors::new());
    let moved = patch(&json!({ "event_end": "2026-03-01T22:00:00" })).unwrap();
    assert_eq!(moved.when.end_text(), "2026-03-01T21:00:00Z", "read in the event's zone");
    assert_eq!(
        (moved.name.as_str(), moved.location.as_str(), moved.reminders),
        ("Dinner", "Home", Some(vec![10]))
    );

    let zoned = patch(&json!({ "time_zone": "Asia/Tokyo" })).unwrap();
    assert_eq!((zoned.when.start_text(), zoned.when.zone().name()), (base.when.start_text(), "Asia/Tokyo"));

    let cleared = patch(&json!({ "location": null, "reminders": null, "time_zone": null })).unwrap();
    assert_eq!((cleared.location.as_str(), cleared.reminders, cleared.when.zone().name()), ("", None, "UTC"));
    assert_eq!(patch(&json!({ "reminders": [] })).unwrap().reminders, Some(Vec::new()), "none at all");

    assert_eq!(complaints(patch(&json!({ "event_name": null }))), ["event_name"]);
    assert_eq!(
        complaints(patch(&json!({ "all_day": true }))),
        ["event_start", "event_end"],
        "dates are needed"
    );
    let days =
        patch(&json!({ "all_day": true, "event_start": "2026-03-01", "event_end": "2026-03-02" })).unwrap();
    assert_eq!(
        (days.when.start_text().as_str(), days.when.end_text().as_str()),
        ("2026-03-01", "2026-03-02")
    );
    assert_eq!(days.when.starts_at().to_rfc3339(), "2026-02-28T23:00:00Z", "midnight in Berlin");
}

#[test]
fn participants_are_members_and_the_creator_is_always_among_them() {
    let id = Uuid::from_u128;
    let members = vec![(id(2), "Bob".to_owned()), (id(3), "zoë".to_owned())];
    let creator = Some((id(1), "ann".to_owned()));
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all = resolve(&names(&["bob", "ZOË", "BOB"]), members.clone(), creator.clone()).unwrap();
    assert_eq!(all.iter().map(|(account, _)| account.as_u128()).collect::<Vec<_>>(), [1, 2, 3]);
    let fault = resolve(&names(&["bob", "eve", "mallory"]), members, creator).unwrap_err();
    assert_eq!((fault.reason, fault.names), (Reason::ParticipantUnknown, names(&["eve", "mallory"])));
}

/// The JSON of an event is one shape everywhere; these are its keys.
#[test]
fn an_event_has_these_keys() {
    let view = super::super::view(
        &dinner(),
        super::super::Frame {
            event_id: Uuid::nil(),
            calendar_id: Uuid::nil(),
            calendar_name: "c",
            created_by: "ann",
            participants: vec!["ann".to_owned()],
            default_reminders: &[30],
            revision: 1,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            updated_at: jiff::Timestamp::UNIX_EPOCH,
            seq: 4,
        },
    );
    let EventView { etag, .. } = &view;
    assert_eq!(etag, "r1");
    let json = serde_json::to_value(&view).unwrap();
    let mut keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "all_day",
            "calendar_id",
            "calendar_name",
            "created_at",
            "created_by",
            "description",
            "etag",
            "event_end",
            "event_id",
            "event_name",
            "event_start",
            "location",
            "participants",
            "reminders",
            "seq",
            "time_zone",
            "updated_at",
        ]
    );
}
