//! Rubbish of a dozen kinds: each is answered or closed as the contract says,
//! and the process stays up.

use serde_json::json;
use sqlx::PgPool;
use tokio_tungstenite::tungstenite::Message;

use crate::house::{House, Person};

/// What is no frame.
const RUBBISH: &[&str] = &[
    "",
    "{",
    "}",
    "null",
    "3",
    "[]",
    "[[[[",
    "\"message\"",
    "{\"type\":3}",
    "{\"type\":null,\"id\":1}",
    "{}",
    "{\"type\":\"message\",}",
    "\u{0}",
    "{\"type\":\"message\"}{\"type\":\"message\"}",
    "nan",
    "{\"type\":\"message\",\"type\":\"x\"}x",
    "[{\"type\":\"message\"}]",
];

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn ten_malformed_frames_in_a_minute_close(pool: PgPool) {
    let house = House::open(&pool).await;
    let (size, mut answered) = (std::env::var("MALFORMED").map_or(500, |size| size.parse().unwrap()), 0);
    let mut n = 0;
    while n < size {
        let mut client = house.connect(&Person::new("ann")).await;
        for _ in 0..10 {
            client.send(Message::text(RUBBISH[n % RUBBISH.len()])).await;
            n += 1;
        }
        assert_eq!(client.end().await, 1008);
        let mut answers = client.heard_before_the_end("error");
        answers.extend(client.heard_before_the_end("ack"));
        assert!(answers.iter().all(|answer| answer["code"] == "invalid"), "{answers:?}");
        answered += answers.len();
    }
    assert_eq!(answered, n);
    house.connect(&Person::new("ann")).await.heard(&[]).await;
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn readable_frames_with_wrong_fields_are_told_which_and_may_go_on(pool: PgPool) {
    let house = House::open(&pool).await;
    let mut client = house.connect(&Person::new("ann")).await;
    for (frame, field) in [
        (json!({ "type": "dance" }), "type"),
        (json!({ "type": "message" }), "message"),
        (json!({ "type": "message", "message": 3 }), "message"),
        (json!({ "type": "message", "message": " " }), "message"),
        (json!({ "type": "message", "message": "x", "calendar_name": [] }), "calendar_name"),
        (json!({ "type": "join_calendar" }), "calendar_name"),
        (json!({ "type": "join_calendar", "calendar_name": "x", "last_seq": "1" }), "last_seq"),
        (
            json!({ "type": "join_calendar", "calendar_name": "x", "calendar_password": 1 }),
            "calendar_password",
        ),
        (json!({ "type": "leave_calendar", "calendar_name": {} }), "calendar_name"),
        (json!({ "type": "create_event", "calendar_name": "x", "all_day": "yes" }), "all_day"),
        (json!({ "type": "update_event", "event_id": 3, "etag": "*" }), "event_id"),
        (json!({ "type": "delete_event", "event_id": "x" }), "etag"),
        (json!({ "type": "resume" }), "calendars"),
        (json!({ "type": "resume", "calendars": { "x": -1 } }), "calendars"),
    ] {
        let id = client.post(&frame).await;
        let ack = client.find(|answer| answer["id"] == id).await;
        if ack["code"] != "event_not_found" {
            assert_eq!(ack["code"], "invalid", "{frame}");
            assert_eq!(ack["errors"][0]["field"], field, "{frame}");
        }
    }
    // Ids of any kind come back as they were.
    for id in [json!("a"), json!({ "n": [1, 2.5, null] }), json!(-1), json!(true), json!("\u{1f600}")] {
        client.say(&json!({ "type": "message", "id": id })).await;
        assert_eq!(client.until("ack").await["id"], id);
    }
    // Without an id a failure is told, and without a failure nothing is.
    client.say(&json!({ "type": "message", "id": null })).await;
    assert_eq!(client.until("error").await["code"], "invalid");
}
