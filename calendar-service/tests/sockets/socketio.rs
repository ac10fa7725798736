//! The same rooms over Socket.IO.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    house::{House, PASSWORD, Person},
    socket_io_client::SocketIoClient,
};

async fn connect(house: &House, person: &Person) -> SocketIoClient {
    let mut client =
        SocketIoClient::connect(house.address, &json!({ "token": person.token() })).await.unwrap();
    let hello = client.until("connected").await;
    assert_eq!(hello["message"], format!("{} has connected", person.identity.username));
    client
}

fn join() -> Value {
    json!({ "calendar_name": "Home", "calendar_password": PASSWORD })
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_connect_without_a_live_session_is_refused(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    for auth in [json!({}), json!({ "token": "x" }), json!({ "token": 3 }), json!([])] {
        let refused = SocketIoClient::connect(house.address, &auth).await.err();
        assert_eq!(refused.as_deref(), Some("unauthenticated"), "{auth}");
    }
    house.book.end(ann.identity.session_id);
    let refused = SocketIoClient::connect(house.address, &json!({ "token": ann.token() })).await.err();
    assert_eq!(refused.as_deref(), Some("unauthenticated"));
    let bob = Person::new("bob");
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(connect(&house, &bob).await);
    }
    let refused = SocketIoClient::connect(house.address, &json!({ "token": bob.token() })).await.err();
    assert_eq!(refused.as_deref(), Some("too_many_sockets"));
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn both_kinds_of_clients_are_in_one_room(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    house.calendar(&ann, "Home").await;
    let mut raw = house.join(&ann, "Home").await;
    let mut io = connect(&house, &bob).await;
    let ack = io.ask("join_calendar", &join()).await;
    assert_eq!((&ack["ok"], &ack["role"]), (&json!(true), &json!("editor")));
    assert_eq!(io.until("joined").await["members_online"], json!(["ann", "bob"]));
    assert_eq!(raw.until("member_joined").await["username"], "bob");

    raw.ask(&json!({ "type": "message", "calendar_name": "Home", "message": "over /ws" })).await.unwrap();
    let heard = io.until("message").await;
    assert_eq!((&heard["message"], &heard["by"]), (&json!("over /ws"), &json!("ann")));
    assert!(heard.get("type").is_none() && heard["seq"].is_i64(), "{heard}");
    let said = io.ask("message", &json!({ "calendar_name": "Home", "message": "over Socket.IO" })).await;
    let heard = raw.find(|frame| frame["type"] == "message" && frame["by"] == "bob").await;
    assert_eq!(heard["seq"], said["seq"]);

    let create = json!({
        "calendar_name": "Home", "event_name": "Dinner",
        "event_start": "2030-05-01T18:00:00Z", "event_end": "2030-05-01T20:00:00Z",
    });
    let event = io.ask("create_event", &create).await["event"].clone();
    assert_eq!(raw.until("event_created").await["event"], event);
    assert_eq!(io.until("created_event").await["event"], event);
    assert!(!io.kept().contains(&"event_created"), "one name for it");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_failure_is_an_ack_or_a_message(pool: PgPool) {
    let house = House::open(&pool).await;
    let mut io = connect(&house, &Person::new("ann")).await;
    let ack = io.ask("join_calendar", &join()).await;
    assert_eq!((&ack["ok"], &ack["code"]), (&json!(false), &json!("calendar_not_found")));
    io.emit("join_calendar", &join()).await;
    assert_eq!(io.until("message").await, ack["message"]);
    let ack = io.ask("dance", &json!({})).await;
    assert_eq!(ack["errors"][0]["field"], "type");
    for payload in [json!("text"), json!(null), json!([1]), json!(3)] {
        assert_eq!(io.ask("message", &payload).await["code"], "invalid", "{payload}");
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn sixteen_in_flight_keep_their_order(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let mut io = connect(&house, &ann).await;
    io.ask("join_calendar", &join()).await;
    let start = house.last_seq(calendar_id).await;
    let mut sent = Vec::new();
    for n in 0..16 {
        let payload = json!({ "calendar_name": "Home", "message": n.to_string() });
        sent.push(io.post("message", &payload).await);
    }
    for (n, id) in sent.into_iter().enumerate() {
        assert_eq!(io.ack(id).await["seq"], start + 1 + n as i64);
        assert_eq!(io.until("message").await["message"], n.to_string());
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn limits_hold_and_ends_are_told(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let mut fast = connect(&house, &ann).await;
    for _ in 0..80 {
        fast.post("leave_calendar", &json!({ "calendar_name": "none" })).await;
    }
    fast.end().await;
    assert!(fast.kept().contains(&"error"));
    let mut ended = connect(&house, &ann).await;
    house.book.end(ann.identity.session_id);
    ended.end().await;
    assert_eq!(ended.until("error").await["code"], "unauthenticated");
    let mut sent_away = connect(&house, &Person::new("bob")).await;
    house.service.lifecycle.drain();
    sent_away.end().await;
    assert!(sent_away.until("going_away").await["retry_after_ms"].is_u64());
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_replay_longer_than_the_queue_arrives_whole(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    for _ in 0..5 {
        house.append(calendar_id, &vec!["x".repeat(200); 500], true).await;
    }
    let mut io = connect(&house, &ann).await;
    io.ask("resume", &json!({ "calendars": { "Home": 0 } })).await;
    let last = house.last_seq(calendar_id).await;
    for seq in last - 2_499..=last {
        assert_eq!(io.until("message").await["seq"], seq);
    }
}
