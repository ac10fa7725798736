//! The event-reminder protocol, as the source's clients speak it.

use calendar_service::model::ScheduledReminder;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    house::{House, Person},
    socket_io_client::SocketIoClient,
};

const NO_COMMAND: &str =
    "Invalid message passed. Socket message must be a JSON with valid 'command' property";

async fn io(house: &House, person: &Person) -> SocketIoClient {
    SocketIoClient::connect(house.address, &json!({ "token": person.token() })).await.unwrap()
}

fn failure(text: &str) -> Value {
    json!({ "status": "failure", "error": text })
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn the_sources_client_needs_nothing_but_a_token(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let mut client = io(&house, &ann).await;
    let zones = client.ask("command", &json!({ "command": "getAllTimeZones" })).await;
    assert_eq!((&zones["status"], zones.as_object().unwrap().len()), (&json!("success"), 2));
    let zones = zones["response"].as_array().unwrap();
    assert!(zones.contains(&json!("Europe/Berlin")) && zones.contains(&json!("America/Toronto")));

    let data = json!({ "time": "2030-05-01 18:00", "timeZone": "Europe/Berlin", "eventName": "Tea" });
    let answer = client.ask("command", &json!({ "command": "scheduleEvent", "data": data })).await;
    let id = answer["response"]["_id"].as_str().unwrap().to_owned();
    let response = json!({ "name": "Tea", "time": "2030-05-01T16:00:00.000Z", "_id": id });
    assert_eq!(answer, json!({ "status": "success", "response": response }));
    let asked = house.notification.scheduled().remove(0);
    assert_eq!((asked.time.as_str(), asked.time_zone.as_str()), ("2030-05-01 18:00", "Europe/Berlin"));
    assert_eq!(asked.account_id, ann.identity.account_id.to_string());
    assert!(asked.calendar_id.is_empty());

    let due = ScheduledReminder {
        id,
        name: "Tea".to_owned(),
        time: "2030-05-01T16:00:00.000Z".to_owned(),
        calendar_id: None,
        account_id: ann.identity.account_id,
        late: false,
    };
    calendar_service::reminder::deliver_scheduled(&house.service, due).await.unwrap();
    assert_eq!(client.until("eventReminder").await, response);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn failures_have_the_sources_texts(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let mut client = io(&house, &ann).await;
    let scheduling = |data: Value| json!({ "command": "scheduleEvent", "data": data });
    for payload in [json!("text"), json!(null), json!([1]), json!(3), json!({}), json!({ "command": 4 })] {
        assert_eq!(client.ask("command", &payload).await, failure(NO_COMMAND), "{payload}");
    }
    let unknown = json!({ "command": "dance" });
    assert_eq!(client.ask("command", &unknown).await, failure("un-recognized command"));
    for data in [json!({}), json!({ "eventName": 3 }), json!("x"), json!(null)] {
        let answer = client.ask("command", &scheduling(data.clone())).await;
        assert_eq!(answer, failure("'eventName' is required"), "{data}");
    }
    let tea = |calendar_name: Value| json!({ "eventName": "Tea", "calendar_name": calendar_name });
    let answer = client.ask("command", &scheduling(tea(json!("Nowhere")))).await;
    assert_eq!(answer, failure("There is no such calendar"));
    let answer = client.ask("command", &scheduling(tea(json!(7)))).await;
    assert_eq!(answer, failure("'calendar_name' must be a text"));
    assert!(house.notification.scheduled().is_empty(), "it did not go to everybody instead");
    let mut stranger = io(&house, &bob).await;
    let answer = stranger.ask("command", &scheduling(tea(json!("Home")))).await;
    assert_eq!(answer, failure("You are not a member of this calendar"));
    let answer = client.ask("command", &scheduling(tea(json!("home")))).await;
    assert_eq!(answer["status"], "success");
    assert_eq!(house.notification.scheduled()[0].calendar_id, calendar_id.to_string());

    // Without a callback the text comes as `message`.
    client.emit("command", &unknown).await;
    assert_eq!(client.until("message").await, "un-recognized command");
    house.notification.away(true);
    let answer = client.ask("command", &scheduling(tea(json!(null)))).await;
    assert_eq!(answer["status"], "failure", "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("try again"), "{answer}");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_raw_socket_gets_both_answers_in_one(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let mut client = house.connect(&ann).await;
    let zones = client.ask(&json!({ "type": "command", "command": "getAllTimeZones" })).await.unwrap();
    assert_eq!((&zones["status"], &zones["ok"]), (&json!("success"), &json!(true)));
    let key = Uuid::new_v4().to_string();
    let schedule = json!({
        "type": "command", "command": "scheduleEvent", "idempotency_key": key, "data": { "eventName": "Tea" },
    });
    let first = client.ask(&schedule).await.unwrap();
    assert_eq!(first["response"]["name"], "Tea");
    assert!(first.get("replayed").is_none());
    assert_eq!(house.notification.scheduled()[0].idempotency_key, key);

    let id = client.post(&json!({ "type": "command" })).await;
    let ack = client.find(|frame| frame["id"] == id).await;
    let expected = json!({
        "type": "ack", "id": id, "ok": false, "code": "invalid", "message": NO_COMMAND,
        "status": "failure", "error": NO_COMMAND,
    });
    assert_eq!(ack, expected);
    client.say(&json!({ "type": "command", "command": "dance" })).await;
    assert_eq!(client.until("error").await["message"], "un-recognized command");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_key_stands_for_one_command_on_both_kinds_of_sockets(pool: PgPool) {
    const MISMATCH: &str = "The idempotency key was used for another request";
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let (mut raw, mut io) = (house.connect(&ann).await, io(&house, &ann).await);
    let order = |name: &str, key: &Value| json!({ "command": "scheduleEvent", "idempotency_key": key, "data": { "eventName": name } });
    let framed = |name: &str, key: &Value| {
        let mut frame = order(name, key);
        frame["type"] = json!("command");
        frame
    };
    let key = json!("tea");
    let first = raw.ask(&framed("Tea", &key)).await.unwrap();
    let again = raw.ask(&framed("Tea", &key)).await.unwrap();
    assert_eq!((&again["response"], &again["replayed"]), (&first["response"], &json!(true)));
    let expected = json!({ "status": "success", "response": first["response"], "replayed": true });
    assert_eq!(io.ask("command", &order("Tea", &key)).await, expected);

    assert_eq!(raw.ask(&framed("Coffee", &key)).await, Err("idempotency_mismatch".to_owned()));
    assert_eq!(io.ask("command", &order("Coffee", &key)).await, failure(MISMATCH));
    io.emit("command", &order("Coffee", &key)).await;
    assert_eq!(io.until("message").await, MISMATCH);
    for bad in [json!(3), json!("")] {
        assert_eq!(raw.ask(&framed("Tea", &bad)).await, Err("invalid".to_owned()));
        let text = "'idempotency_key' must have 1 to 255 visible ASCII characters";
        assert_eq!(io.ask("command", &order("Tea", &bad)).await, failure(text));
    }
    assert_eq!(house.notification.scheduled().len(), 1);
}
