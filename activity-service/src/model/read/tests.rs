//! Both shapes read alike, and what is wrong is named.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::rules::RuleSettings;

fn read(event: &Value) -> Result<SentEvent, FieldErrors> {
    let rules = RuleSettings::default().rules();
    read_event(&event.to_string(), |kind| rules.spell(kind))
}

fn refused(event: &Value) -> Vec<String> {
    let errors = read(event).expect_err("is refused").into_list();
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn the_original_shape_becomes_the_improved_one() {
    let event = json!({
        "user_id": "foo1", "device_id": "bar1", "type": "training_program_started",
        "training_program_id": "2352", "training_program_title": "7 Minutes of HIIT Training",
        "time_stamp": "2021-02-28 16:23:25",
    });
    let kept: Value = serde_json::from_str(&read(&event).unwrap().to_json()).unwrap();
    let improved = json!({
        "deviceId": "bar1", "type": "TRAINING_PROGRAM_STARTED", "timestamp": "2021-02-28T16:23:25Z",
        "details": { "programId": "2352", "programTitle": "7 Minutes of HIIT Training", "userId": "foo1" },
    });
    assert_eq!(kept, improved);
    assert_eq!(serde_json::from_str::<Value>(&read(&improved).unwrap().to_json()).unwrap(), improved);
}

#[test]
fn types_have_one_spelling_where_a_rule_knows_them() {
    for (sent, kept) in [
        ("app_launch", "APP_LAUNCHED"),
        ("APP_LAUNCHED", "APP_LAUNCHED"),
        ("app_launched", "APP_LAUNCHED"),
        ("APP_LAUNCH", "APP_LAUNCHED"),
        ("Training_Program_Finished", "TRAINING_PROGRAM_FINISHED"),
        ("training_program_cancelled", "TRAINING_PROGRAM_CANCELLED"),
        ("coffee_brewed", "coffee_brewed"),
        ("Käse", "Käse"),
    ] {
        let event = json!({ "deviceId": "a", "type": sent, "timestamp": "2021-02-28T16:23:25Z" });
        assert_eq!(read(&event).unwrap().kind, kept);
    }
}

#[test]
fn what_is_wrong_is_named_all_at_once_in_the_words_of_the_shape() {
    assert_eq!(refused(&json!({})), ["deviceId", "type", "timestamp"]);
    assert_eq!(refused(&json!({ "device_id": 5, "type": "" })), ["device_id", "type", "time_stamp"]);
    for body in [json!([]), json!("x"), json!(null), json!(5)] {
        assert_eq!(refused(&body), ["body"]);
    }
    let good = json!({ "deviceId": "a", "type": "app_launch", "timestamp": "2021-02-28T16:23:25Z" });
    for (field, value, named) in [
        ("id", json!(""), "id"),
        ("id", json!("x".repeat(256)), "id"),
        ("id", json!(1.5), "id"),
        ("id", json!("a\u{0}"), "id"),
        ("deviceId", json!("\n"), "deviceId"),
        ("deviceId", json!(null), "deviceId"),
        ("type", json!(["a"]), "type"),
        ("timestamp", json!("yesterday"), "timestamp"),
        ("timestamp", json!(1_614_529_405), "timestamp"),
        ("details", json!("x"), "details"),
        ("details", json!({ "programId": "\u{0}" }), "details.programId"),
        ("details", json!({ "programId": ["2352"] }), "details.programId"),
    ] {
        let mut event = good.clone();
        event[field] = value;
        assert_eq!(refused(&event), [named], "{event}");
    }
    assert!(read(&good).is_ok());
    let deep = format!(r#"{{"deviceId":"a","details":{}}}"#, "[".repeat(100_000));
    assert!(read_event(&deep, str::to_owned).is_err(), "bounded depth, not a stack overflow");
}

#[test]
fn both_shapes_at_once_is_the_improved_one() {
    let event = json!({
        "deviceId": "a", "device_id": "b", "type": "t", "timestamp": "2021-02-28T16:23:25Z", "time_stamp": "x",
    });
    assert_eq!(read(&event).unwrap().device_id, "a");
}

/// A name as clients make them up.
fn name() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,40}"
}

proptest! {
    #[test]
    fn both_shapes_of_an_event_are_kept_alike(
        device in name(), user in name(), programme in name(), title in name(), kind in 0..5_usize,
        second in 0_i64..253_402_300_799,
    ) {
        let spellings = [
            ("app_launch", "APP_LAUNCHED"),
            ("training_program_started", "TRAINING_PROGRAM_STARTED"),
            ("training_program_finished", "TRAINING_PROGRAM_FINISHED"),
            ("training_program_cancelled", "TRAINING_PROGRAM_CANCELLED"),
            ("something_else", "something_else"),
        ];
        let (old, new) = spellings[kind];
        let at = Instant::from_micros(second * 1_000_000).to_string();
        let plain = at.trim_end_matches('Z').replace('T', " ");
        let original = json!({
            "user_id": user, "device_id": device, "type": old, "training_program_id": programme,
            "training_program_title": title, "time_stamp": plain,
        });
        let improved = json!({
            "deviceId": device, "type": new, "timestamp": at,
            "details": { "programId": programme, "programTitle": title, "userId": user },
        });
        let kept = read(&original).unwrap();
        prop_assert_eq!(&kept, &read(&improved).unwrap());
        // What is answered, sent again, is the same event.
        let again: Value = serde_json::from_str(&kept.to_json()).unwrap();
        prop_assert_eq!(&kept, &read(&again).unwrap());
    }

    #[test]
    fn no_text_makes_it_fall_over(text in "\\PC{0,200}") {
        let _ = read_event(&text, str::to_owned);
    }

    #[test]
    fn no_object_makes_it_fall_over(
        device in "\\PC{0,300}|[\\x00-\\x1f]{1,3}", kind in "\\PC{0,5}", time in "[-+0-9:TZ. ]{0,40}",
    ) {
        for event in [
            json!({ "deviceId": device, "type": kind, "timestamp": time }),
            json!({ "device_id": device, "type": kind, "time_stamp": time }),
        ] {
            if let Ok(kept) = read(&event) {
                prop_assert_eq!(kept.device_id, device.clone());
                prop_assert!(Instant::FIRST <= kept.at && kept.at <= Instant::LAST);
            }
        }
    }
}
