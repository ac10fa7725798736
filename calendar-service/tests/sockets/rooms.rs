//! What people in a room see of each other.

use calendar_service::socket::BroadcastScope;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{House, PASSWORD, Person, Plan};

fn say(calendar: &str, text: &str) -> Value {
    json!({ "type": "message", "calendar_name": calendar, "message": text })
}

fn join(calendar: &str) -> Value {
    json!({ "type": "join_calendar", "calendar_name": calendar, "calendar_password": PASSWORD })
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn joining_is_an_ack_then_joined_then_what_happens(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    let calendar_id = house.calendar(&ann, "Home").await.to_string();
    let mut first = house.join(&ann, "home").await;
    let mut second = house.connect(&bob).await;
    assert_eq!(second.next().await["message"], "bob has connected");

    let id = second.post(&join("HOME")).await;
    let ack = second.next().await;
    assert_eq!((&ack["type"], &ack["id"], &ack["ok"]), (&json!("ack"), &json!(id), &json!(true)));
    assert_eq!((&ack["calendar_name"], &ack["role"]), (&json!("Home"), &json!("editor")));
    let joined = second.next().await;
    assert_eq!((&joined["type"], &joined["calendar_id"]), (&json!("joined"), &json!(calendar_id)));
    assert_eq!(joined["members_online"], json!(["ann", "bob"]));
    assert_eq!(joined["last_seq"], ack["last_seq"]);

    let heard = first.until("member_joined").await;
    assert_eq!((&heard["username"], &heard["seq"]), (&json!("bob"), &joined["last_seq"]));
    let said = second.ask(&say("Home", "hello")).await.unwrap();
    let seq = joined["last_seq"].as_i64().unwrap() + 1;
    assert_eq!(said["seq"], seq);
    for client in [&mut first, &mut second] {
        let message = client.until("message").await;
        assert_eq!(message["message"], "hello");
        assert_eq!((&message["by"], &message["calendar_name"]), (&json!("bob"), &json!("Home")));
        assert_eq!((&message["seq"], &message["calendar_id"]), (&json!(seq), &json!(calendar_id)));
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn joins_are_refused_with_their_codes(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    house.calendar(&ann, "Home").await;
    let mut client = house.connect(&bob).await;
    assert_eq!(client.ask(&join("Nowhere")).await.unwrap_err(), "calendar_not_found");
    let no_password = json!({ "type": "join_calendar", "calendar_name": "Home" });
    assert_eq!(client.ask(&no_password).await.unwrap_err(), "wrong_password");
    client.ask(&join("Home")).await.unwrap();
    assert_eq!(client.ask(&join("Home")).await.unwrap_err(), "already_in_calendar");
    // A second connection of a member needs no password, and makes no new member.
    let mut other = house.join(&bob, "Home").await;
    assert_eq!(other.heard(&["member_joined"]).await, Vec::<Value>::new());
    assert_eq!(other.ask(&say("Nowhere", "x")).await.unwrap_err(), "calendar_not_found");
    let mut stranger = house.connect(&Person::new("eve")).await;
    assert_eq!(stranger.ask(&say("Home", "x")).await.unwrap_err(), "calendar_not_found");
    assert_eq!(client.heard(&["message"]).await, Vec::<Value>::new());
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn who_leaves_hears_nothing_more_on_any_connection(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    let calendar_id = house.calendar(&ann, "Home").await;
    house.admit(calendar_id, &bob).await;
    let (mut ann_here, mut one) = (house.join(&ann, "Home").await, house.join(&bob, "Home").await);
    let (mut two, mut beside) = (house.join(&bob, "Home").await, house.connect(&bob).await);
    let leave = json!({ "type": "leave_calendar", "calendar_name": "Home" });
    beside.ask(&leave).await.unwrap();
    for client in [&mut one, &mut two, &mut beside] {
        assert_eq!(client.until("left").await["calendar_id"], json!(calendar_id));
    }
    assert_eq!(ann_here.until("member_left").await["username"], "bob");
    ann_here.ask(&say("Home", "secret")).await.unwrap();
    for client in [&mut one, &mut two, &mut beside] {
        assert_eq!(client.heard(&["message", "member_left"]).await, Vec::<Value>::new());
        assert_eq!(client.ask(&leave).await.unwrap_err(), "not_a_member");
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn presence_is_the_first_connection_and_the_last(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    let calendar_id = house.calendar(&ann, "Home").await;
    house.admit(calendar_id, &bob).await;
    let mut ann_here = house.join(&ann, "Home").await;
    let one = house.connect(&bob).await;
    let came = ann_here.find(|frame| frame["type"] == "presence" && frame["username"] == "bob").await;
    assert_eq!((&came["online"], &came["message"]), (&json!(true), &json!("bob has connected")));
    assert_eq!(came["calendar_name"], "Home");
    let two = house.connect(&bob).await;
    // Cut without a word.
    drop(one);
    drop(two);
    let went = ann_here.find(|frame| frame["type"] == "presence" && frame["username"] == "bob").await;
    assert_eq!((&went["online"], &went["message"]), (&json!(false), &json!("bob has disconnected")));
    assert_eq!(ann_here.heard(&["presence"]).await.len(), 0, "one in, one out");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn events_are_made_changed_and_deleted_before_everybody(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    let calendar_id = house.calendar(&ann, "Home").await;
    house.admit(calendar_id, &bob).await;
    let (mut ann_here, mut bob_here) = (house.join(&ann, "Home").await, house.join(&bob, "Home").await);
    let create = json!({
        "type": "create_event", "calendar_name": "Home", "event_name": "Dinner",
        "event_start": "2030-05-01T18:00:00Z", "event_end": "2030-05-01T20:00:00Z", "participants": ["bob"],
    });
    let event = ann_here.ask(&create).await.unwrap()["event"].clone();
    let created = bob_here.until("event_created").await;
    assert_eq!(created["event"], event);
    assert_eq!((&event["event_name"], &event["seq"]), (&json!("Dinner"), &created["seq"]));

    let update = json!({
        "type": "update_event", "event_id": event["event_id"], "etag": event["etag"], "event_name": "Supper",
    });
    let changed = bob_here.ask(&update).await.unwrap()["event"].clone();
    assert_eq!(ann_here.until("event_updated").await["event"], changed);
    assert_eq!(ann_here.ask(&update).await.unwrap_err(), "stale");
    let delete = json!({ "type": "delete_event", "event_id": event["event_id"], "etag": changed["etag"] });
    ann_here.ask(&delete).await.unwrap();
    assert_eq!(bob_here.until("event_deleted").await["event_id"], event["event_id"]);
    assert_eq!(ann_here.ask(&delete).await.unwrap_err(), "event_not_found");
    let bad = json!({ "type": "create_event", "calendar_name": "Home", "event_name": "" });
    assert_eq!(ann_here.ask(&bad).await.unwrap_err(), "invalid");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn sixteen_in_flight_keep_their_order_and_what_follows_waits_for_them(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    house.calendar(&ann, "Home").await;
    let mut client = house.join(&ann, "Home").await;
    for n in 0..16 {
        client.post(&say("Home", &n.to_string())).await;
    }
    client.post(&json!({ "type": "leave_calendar", "calendar_name": "Home" })).await;
    for n in 0..16 {
        assert_eq!(client.until("message").await["message"], n.to_string(), "said before leaving");
    }
    client.until("left").await;
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_message_without_a_calendar_goes_as_far_as_the_operator_says(pool: PgPool) {
    let (ann, bob, eve) = (Person::new("ann"), Person::new("bob"), Person::new("eve"));
    let all = json!({ "type": "message", "message": "anybody?" });
    for (scope, heard_by_bob, heard_by_eve) in
        [(BroadcastScope::Everyone, 1, 1), (BroadcastScope::Shared, 1, 0), (BroadcastScope::Off, 0, 0)]
    {
        let house = House::open_as(&pool, Plan { scope, ..Plan::default() }).await;
        let name = format!("{scope:?}");
        let calendar_id = house.calendar(&ann, &name).await;
        house.admit(calendar_id, &bob).await;
        let (mut from, mut to_bob, mut to_eve) =
            (house.connect(&ann).await, house.connect(&bob).await, house.connect(&eve).await);
        match from.ask(&all).await {
            Ok(ack) => assert_eq!(ack.get("seq"), None, "transient"),
            Err(code) => assert_eq!((code.as_str(), scope), ("forbidden", BroadcastScope::Off)),
        }
        assert_eq!(to_bob.heard(&["message"]).await.len(), heard_by_bob);
        assert_eq!(to_eve.heard(&["message"]).await.len(), heard_by_eve);
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_renamed_room_answers_to_its_new_name_and_a_deleted_one_to_none(pool: PgPool) {
    use calendar_service::{calendar, calendar::SettingsPatch, model::Edit};

    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let mut client = house.join(&ann, "Home").await;
    let patch = SettingsPatch { calendar_name: Edit::Set("House".to_owned()), ..SettingsPatch::default() };
    calendar::update(&house.service, &ann.identity, calendar_id, patch).await.unwrap();
    let settings = client.until("settings_changed").await;
    assert_eq!(settings["calendar_name"], "House");
    client.ask(&say("House", "moved")).await.unwrap();
    assert_eq!(client.ask(&say("Home", "gone")).await.unwrap_err(), "calendar_not_found");
    calendar::delete(&house.service, &ann.identity, calendar_id).await.unwrap();
    client.until("calendar_deleted").await;
    client.until("left").await;
    assert_eq!(client.ask(&say("House", "gone")).await.unwrap_err(), "calendar_not_found");
}
