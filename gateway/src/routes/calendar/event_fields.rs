//! The fields of an event that a client may set.

use chassis::fault::{Fault, Reason};
use proto::calendar::v1::{EventFields, MinuteList, NameList};
use serde::{Deserialize, de::IgnoredAny};
use utoipa::{
    ToSchema,
    openapi::{
        Array, Object, ObjectBuilder, Type,
        schema::{ArrayBuilder, SchemaType},
    },
};

use crate::routes::merge_patch::Edit;

/// A new event. What the server decides (ids, `created_by`, `seq`) is ignored.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({
    "calendar_name": "Family", "event_name": "Dinner", "event_start": "2026-03-01T19:00:00",
    "event_end": "2026-03-01T21:00:00", "time_zone": "Europe/Berlin", "participants": ["bob"], "reminders": [10],
})))]
pub(super) struct NewEvent {
    /// A calendar that the caller is in.
    pub(super) calendar_name: String,
    /// 1 to 100 characters after trimming.
    #[schema(min_length = 1, max_length = 100)]
    event_name: String,
    /// RFC 3339; without an offset it is read in `time_zone`. A date when `all_day`.
    event_start: String,
    /// Not before the start. All day: the last day.
    event_end: String,
    /// IANA name; without one, the calendar's.
    #[schema(nullable)]
    time_zone: Option<String>,
    #[schema(nullable)]
    all_day: Option<bool>,
    #[schema(nullable, max_length = 1000)]
    location: Option<String>,
    #[schema(nullable, max_length = 10000)]
    description: Option<String>,
    /// Usernames of members; the creator is always among them.
    #[schema(nullable, max_items = 200)]
    participants: Option<Vec<String>>,
    /// Minutes before the start; without any, the calendar's.
    #[schema(schema_with = minutes)]
    reminders: Option<Vec<u32>>,
    /// Not yet: anything but null is answered `unsupported`.
    #[schema(schema_with = null)]
    rrule: Option<IgnoredAny>,
}

/// Another content of an event (RFC 7396): absent stays, null is cleared.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({ "event_name": "Late dinner", "location": null })))]
pub(super) struct EventPatch {
    /// An event cannot move: only its own calendar may be named here.
    #[schema(value_type = Option<String>, format = Uuid)]
    #[serde(default)]
    pub(super) calendar_id: Edit<String>,
    /// An event cannot move: only its own calendar may be named here.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub(super) calendar_name: Edit<String>,
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 100)]
    #[serde(default)]
    event_name: Edit<String>,
    #[schema(value_type = Option<String>, nullable = false)]
    #[serde(default)]
    event_start: Edit<String>,
    #[schema(value_type = Option<String>, nullable = false)]
    #[serde(default)]
    event_end: Edit<String>,
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    time_zone: Edit<String>,
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    all_day: Edit<bool>,
    #[schema(value_type = Option<String>, max_length = 1000)]
    #[serde(default)]
    location: Edit<String>,
    #[schema(value_type = Option<String>, max_length = 10000)]
    #[serde(default)]
    description: Edit<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 200)]
    #[serde(default)]
    participants: Edit<Vec<String>>,
    #[schema(schema_with = minutes)]
    #[serde(default)]
    reminders: Edit<Vec<u32>>,
    /// Not yet: anything but null is answered `unsupported`.
    #[schema(schema_with = null)]
    rrule: Option<IgnoredAny>,
}

// === impl NewEvent ===

impl NewEvent {
    /// The event as the service reads it.
    pub(super) fn into_fields(self) -> Result<EventFields, Fault> {
        no_recurrence(self.rrule)?;
        Ok(EventFields {
            event_name: Some(self.event_name),
            event_start: Some(self.event_start),
            event_end: Some(self.event_end),
            time_zone: self.time_zone,
            all_day: self.all_day,
            location: self.location,
            description: self.description,
            participants: self.participants.map(|names| NameList { names }),
            reminders: self.reminders.map(|minutes| MinuteList { minutes }),
        })
    }
}

// === impl EventPatch ===

impl EventPatch {
    /// The patch as the service reads it: values, and the fields that were null.
    pub(super) fn into_fields(self) -> Result<(EventFields, Vec<String>), Fault> {
        no_recurrence(self.rrule)?;
        let mut cleared = Vec::new();
        let fields = EventFields {
            event_name: self.event_name.take("event_name", &mut cleared),
            event_start: self.event_start.take("event_start", &mut cleared),
            event_end: self.event_end.take("event_end", &mut cleared),
            time_zone: self.time_zone.take("time_zone", &mut cleared),
            all_day: self.all_day.take("all_day", &mut cleared),
            location: self.location.take("location", &mut cleared),
            description: self.description.take("description", &mut cleared),
            participants: self
                .participants
                .take("participants", &mut cleared)
                .map(|names| NameList { names }),
            reminders: self.reminders.take("reminders", &mut cleared).map(|minutes| MinuteList { minutes }),
        };
        Ok((fields, cleared))
    }
}

/// Reminders, or null: at most 20, each at most a year before the start.
pub(super) fn minutes() -> Array {
    let minute =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(366 * 24 * 60));
    let list =
        ArrayBuilder::new().items(minute).max_items(Some(20)).description(Some("Minutes before the start"));
    list.schema_type(SchemaType::from_iter([Type::Array, Type::Null])).build()
}

/// Nothing but null, for now.
fn null() -> Object {
    ObjectBuilder::new().schema_type(Type::Null).description(Some("Recurrence is not supported yet")).build()
}

/// CONTRACTS, General: refused until recurrence lands, never ignored.
fn no_recurrence(rrule: Option<IgnoredAny>) -> Result<(), Fault> {
    match rrule {
        None => Ok(()),
        Some(_) => Err(Fault::of(Reason::Unsupported).with_field("rrule", "recurrence is not supported yet")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::routes::object::read;

    fn with(field: &str, value: Value) -> Value {
        let mut body = json!({
            "calendar_name": "c", "event_name": "n", "event_start": "2026-03-01T19:00:00Z",
            "event_end": "2026-03-01T20:00:00Z",
        });
        body[field] = value;
        body
    }

    #[test]
    fn a_new_event_names_what_is_missing_or_of_another_type() {
        for field in ["calendar_name", "event_name", "event_start", "event_end"] {
            assert_eq!(read::<NewEvent>(&with(field, Value::Null)).err().as_deref(), Some(field));
        }
        for (field, value, named) in [
            ("event_start", json!(5), "event_start"),
            ("all_day", json!("no"), "all_day"),
            ("participants", json!("bob"), "participants"),
            ("participants", json!(["bob", 1]), "participants[1]"),
            ("reminders", json!([-1]), "reminders[0]"),
            ("reminders", json!([1.5]), "reminders[0]"),
            ("reminders", json!([4_294_967_296_u64]), "reminders[0]"),
        ] {
            assert_eq!(read::<NewEvent>(&with(field, value)).err().as_deref(), Some(named));
        }
    }

    #[test]
    fn null_is_as_good_as_absent_in_a_new_event() {
        let fields = read::<NewEvent>(&with("reminders", Value::Null)).ok().unwrap().into_fields().unwrap();
        assert_eq!(fields.reminders, None);
        let fields = read::<NewEvent>(&with("reminders", json!([]))).ok().unwrap().into_fields().unwrap();
        assert_eq!(fields.reminders, Some(MinuteList { minutes: Vec::new() }));
    }

    #[test]
    fn recurrence_is_refused_not_ignored() {
        let event = read::<NewEvent>(&with("rrule", json!("FREQ=DAILY"))).ok().unwrap();
        assert_eq!(event.into_fields().unwrap_err().reason, Reason::Unsupported);
        let patch = read::<EventPatch>(&json!({ "rrule": {} })).ok().unwrap();
        assert_eq!(patch.into_fields().unwrap_err().reason, Reason::Unsupported);
        assert!(read::<EventPatch>(&json!({ "rrule": null })).ok().unwrap().into_fields().is_ok());
    }

    #[test]
    fn a_patch_tells_null_from_absent() {
        let patch =
            json!({ "event_name": "n", "location": null, "reminders": [5], "seq": 9, "created_by": "x" });
        let (fields, cleared) = read::<EventPatch>(&patch).ok().unwrap().into_fields().unwrap();
        assert_eq!(cleared, ["location"]);
        let expected = EventFields {
            event_name: Some("n".into()),
            reminders: Some(MinuteList { minutes: vec![5] }),
            ..EventFields::default()
        };
        assert_eq!(fields, expected);
        assert_eq!(read::<EventPatch>(&json!({ "all_day": 1 })).err().as_deref(), Some("all_day"));
    }
}
