//! Frames with an `idempotency_key`: a repeat gets the first ack, on either kind
//! of socket and from any instance.

use std::sync::Arc;

use calendar_service::bus::MemoryBus;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    house::{House, Person, Plan},
    socket_io_client::SocketIoClient,
};

fn dinner(key: &str) -> Value {
    json!({
        "type": "create_event", "calendar_name": "Home", "event_name": "Dinner", "idempotency_key": key,
        "event_start": "2030-05-01T18:00:00Z", "event_end": "2030-05-01T20:00:00Z",
    })
}

fn say(text: &str, key: &str) -> Value {
    json!({ "type": "message", "calendar_name": "Home", "message": text, "idempotency_key": key })
}

/// The same without what the wire says.
fn payload(frame: &Value) -> Value {
    let mut payload = frame.clone();
    payload.as_object_mut().unwrap().remove("type");
    payload
}

/// The ack as it was the first time.
fn first(mut ack: Value) -> Value {
    let ack_fields = ack.as_object_mut().unwrap();
    assert_eq!(ack_fields.remove("replayed"), Some(json!(true)), "{ack_fields:?}");
    for wire in ["id", "type"] {
        ack_fields.remove(wire);
    }
    ack
}

async fn count(pool: &PgPool, kind: &str) -> i64 {
    sqlx::query_scalar("select count(*) from calendar_changes where kind = $1")
        .bind(kind)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_repeat_gets_the_first_ack_on_both_kinds_of_sockets_and_another_instance(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    house.calendar(&ann, "Home").await;
    let mut raw = house.join(&ann, "Home").await;
    for (frame, kind) in [(say("Dinner?", "k"), "message"), (dinner("k"), "event_created")] {
        let mut told = raw.ask(&frame).await.unwrap();
        assert!(told.get("replayed").is_none());
        for wire in ["id", "type"] {
            told.as_object_mut().unwrap().remove(wire);
        }
        raw.until(kind).await;
        assert_eq!(first(raw.ask(&frame).await.unwrap()), told);

        let mut io = SocketIoClient::connect(house.address, &json!({ "token": ann.token() })).await.unwrap();
        let event = frame["type"].as_str().unwrap();
        assert_eq!(first(io.ask(event, &payload(&frame)).await), told);

        let other = House::open_on(&pool, Plan::default(), |_| Arc::new(MemoryBus::new())).await;
        assert_eq!(first(other.connect(&ann).await.ask(&frame).await.unwrap()), told);
        assert_eq!(count(&pool, kind).await, 1);
    }
    assert!(raw.heard(&["message", "event_created"]).await.is_empty(), "the room heard each once");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_differs_does_not_meet(pool: PgPool) {
    let (house, [ann, bob]) = (House::open(&pool).await, ["ann", "bob"].map(Person::new));
    let calendar_id = house.calendar(&ann, "Home").await;
    house.admit(calendar_id, &bob).await;
    let (mut anns, mut bobs) = (house.join(&ann, "Home").await, house.join(&bob, "Home").await);
    let one = anns.ask(&say("one", "k")).await.unwrap();
    assert_eq!(anns.ask(&say("two", "k")).await, Err("idempotency_mismatch".to_owned()));
    let two = bobs.ask(&say("two", "k")).await.unwrap();
    assert_eq!(two["seq"], one["seq"].as_i64().unwrap() + 1);
    assert!(two.get("replayed").is_none());
    anns.ask(&dinner("e")).await.unwrap();
    let mut lunch = dinner("e");
    lunch["event_name"] = json!("Lunch");
    assert_eq!(anns.ask(&lunch).await, Err("idempotency_mismatch".to_owned()));
    let wrong = json!({ "type": "message", "calendar_name": "Home", "message": "x", "idempotency_key": "" });
    assert_eq!(anns.ask(&wrong).await, Err("invalid".to_owned()));
    // Nothing is kept of a message to everybody: the key changes nothing.
    for _ in 0..2 {
        let ack =
            anns.ask(&json!({ "type": "message", "message": "hi", "idempotency_key": "k" })).await.unwrap();
        assert!(ack.get("replayed").is_none());
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn in_flight_together_they_make_one_and_the_order_is_kept(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let mut raw = house.join(&ann, "Home").await;
    let start = house.last_seq(calendar_id).await;
    let mut sent = Vec::new();
    for n in 0..6 {
        sent.push(raw.post(&say("again", "k")).await);
        let plain = json!({ "type": "message", "calendar_name": "Home", "message": n.to_string() });
        sent.push(raw.post(&plain).await);
    }
    let mut seqs = Vec::new();
    for (nth, id) in sent.into_iter().enumerate() {
        let ack = raw.find(|frame| frame["type"] == "ack" && frame["id"] == id).await;
        if nth % 2 == 1 {
            seqs.push(ack["seq"].as_i64().unwrap());
        } else if ack["ok"] == true {
            assert_eq!((ack["seq"].as_i64(), ack.get("replayed").is_some()), (Some(start + 1), nth > 0));
        } else {
            assert_eq!(ack["code"], "idempotency_in_flight");
        }
    }
    assert_eq!(seqs, (start + 2..=start + 7).collect::<Vec<_>>());
    assert_eq!(count(&pool, "message").await, 7);
}
