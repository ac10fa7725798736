//! What concerns one person alone, on their sockets.

use std::{sync::Arc, time::Duration};

use calendar_service::{
    bus::MemoryBus,
    event,
    inbox::{self, Notification},
    model::{EventFields, Zone, read_date_time},
    reminder::{self, DueReminder},
    store::INBOX_ENTRIES,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    client::{Client, SOON},
    house::{House, Person, Plan},
    socket_io_client::SocketIoClient,
};

const KINDS: [&str; 2] = ["notification", "eventReminder"];

impl House {
    pub(crate) async fn notify(&self, person: &Person, id: &str) {
        let notification = Notification {
            id: id.to_owned(),
            account_id: person.identity.account_id,
            message: format!("this is {id}"),
            device_id: String::new(),
        };
        inbox::notify(&self.service, &notification).await.unwrap();
    }

    /// What of these kinds a person's connection hears up to now: everything that
    /// was delivered before this, and nothing after.
    pub(crate) async fn heard_of(&self, client: &mut Client, person: &Person, kinds: &[&str]) -> Vec<Value> {
        for _ in 0..2 {
            // The second one comes in a round after the greeting.
            let id = format!("barrier {}", Uuid::new_v4());
            self.notify(person, &id).await;
            client.find(|frame| frame["id"] == id).await;
        }
        let account = [person.identity.account_id];
        let patience = tokio::time::Instant::now() + SOON;
        while !self.service.store.untold(&account, 1).await.unwrap().is_empty() {
            assert!(tokio::time::Instant::now() < patience, "what was told is not marked");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        client.heard(kinds).await
    }

    async fn ids_heard(&self, client: &mut Client, person: &Person) -> Vec<String> {
        let heard = self.heard_of(client, person, &KINDS).await;
        let id = |frame: &Value| frame.get("id").or(frame.get("_id")).unwrap().as_str().unwrap().to_owned();
        heard.iter().map(id).collect()
    }

    /// An event from 16 to 17 o'clock, a day to come, with a reminder half an hour before.
    async fn tea(&self, owner: &Person) -> Uuid {
        let body = json!({
            "event_name": "Tea", "event_start": "2030-05-01T16:00:00Z", "event_end": "2030-05-01T17:00:00Z",
            "reminders": [30],
        });
        let fields = EventFields::from_json(body.as_object().unwrap()).unwrap();
        event::create(&self.service, &owner.identity, "Home", fields).await.unwrap().event_id
    }

    async fn remind(&self, event_id: Uuid, id: &str) {
        let due = DueReminder {
            id: id.to_owned(),
            event_id,
            minutes_before: 30,
            starts_at: read_date_time("2030-05-01T16:00:00Z", &Zone::utc()).unwrap(),
            late: false,
        };
        reminder::remind(&self.service, due).await.unwrap();
    }

    /// The database's clock is set.
    async fn now_is(&self, pool: &PgPool, at: &str) {
        sqlx::query("update app_clock set shift = $1::timestamptz - clock_timestamp()")
            .bind(at)
            .execute(pool)
            .await
            .unwrap();
        let _ = self;
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_notification_reaches_every_socket_of_its_account(pool: PgPool) {
    let bus = Arc::new(MemoryBus::new());
    let house = House::open_on(&pool, Plan::default(), |_| Arc::<MemoryBus>::clone(&bus)).await;
    let other = House::open_on(&pool, Plan::default(), |_| bus).await;
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let mut here = [house.connect(&ann).await, house.connect(&ann).await, other.connect(&ann).await];
    let mut io = SocketIoClient::connect(other.address, &json!({ "token": ann.token() })).await.unwrap();
    let mut stranger = house.connect(&bob).await;
    // Every socket is known to its house, and both have greeted.
    for client in &mut here {
        client.heard(&KINDS).await;
    }
    io.ask("leave_calendar", &json!({ "calendar_name": "none" })).await;
    house.ids_heard(&mut here[0], &ann).await;
    other.ids_heard(&mut here[2], &ann).await;
    house.notify(&ann, "one").await;
    house.notify(&ann, "one").await;
    for client in &mut here {
        let frame = client.find(|frame| frame["id"] == "one").await;
        assert_eq!((&frame["type"], &frame["message"]), (&json!("notification"), &json!("this is one")));
        assert_eq!(frame["seq"], 5, "after the four that were for readiness");
        assert!(frame["at"].as_str().unwrap().ends_with('Z'), "{frame}");
    }
    while io.until("notification").await["id"] != "one" {}
    for client in &mut here {
        assert_eq!(house.ids_heard(client, &ann).await.iter().filter(|id| *id == "one").count(), 0, "once");
    }
    assert!(!house.ids_heard(&mut stranger, &bob).await.contains(&"one".to_owned()));
}

/// A socket comes here, another instance tells its account something and marks it,
/// and only then the socket is greeted.
#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_others_told_before_the_greeting_is_found(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let (store, account) = (&house.service.store, ann.identity.account_id);
    for id in ["one", "two"] {
        house.notify(&ann, id).await;
    }
    store.mark_told(&[(account, 1), (account, 2)]).await.unwrap();
    assert!(store.untold(&[account], 10).await.unwrap().is_empty(), "by the mark alone it is missed");
    let lately = async |after: i64, age: Duration| {
        let entries = store.told_lately(&[(account, after, age)]).await.unwrap();
        entries.iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(lately(0, SOON).await, [1, 2]);
    assert_eq!(lately(1, SOON).await, [2]);
    assert_eq!(lately(0, Duration::ZERO).await, [0; 0], "before it came");
    sqlx::query("update inbox_entries set told_at = told_at - interval '1 hour' where seq = 1")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(lately(0, SOON).await, [2]);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_came_meanwhile_is_told_at_the_next_connect_once(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    for id in ["one", "two"] {
        house.notify(&ann, id).await;
    }
    let mut first = house.connect(&ann).await;
    assert_eq!(house.ids_heard(&mut first, &ann).await, ["one", "two"]);
    house.part(first).await;
    let mut second = house.connect(&ann).await;
    assert_eq!(house.ids_heard(&mut second, &ann).await, [""; 0]);
    house.part(second).await;

    // Another instance, which shares nothing with this one but the database.
    let other = House::open(&pool).await;
    let mut third = other.connect(&ann).await;
    assert_eq!(other.ids_heard(&mut third, &ann).await, [""; 0]);
    other.part(third).await;
    // Negative control: what is not marked is told again.
    sqlx::query("update inbox_entries set told_at = null where seq <= 2").execute(&pool).await.unwrap();
    let last = House::open(&pool).await;
    let mut fourth = last.connect(&ann).await;
    assert_eq!(last.ids_heard(&mut fourth, &ann).await, ["one", "two"]);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_full_inbox_is_told_in_order(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let put = "insert into inbox_entries (account_id, seq, kind, payload)
               select $1, n, 'notification', '{\"id\":\"' || n || '\"}' from generate_series(1, $2) as n";
    sqlx::query(put).bind(ann.identity.account_id).bind(INBOX_ENTRIES).execute(&pool).await.unwrap();
    sqlx::query("insert into inboxes (account_id, last_seq) values ($1, $2)")
        .bind(ann.identity.account_id)
        .bind(INBOX_ENTRIES)
        .execute(&pool)
        .await
        .unwrap();
    let mut client = house.connect(&ann).await;
    for seq in 1..=INBOX_ENTRIES {
        assert_eq!(client.until("notification").await["seq"], seq);
    }
    assert_eq!(house.ids_heard(&mut client, &ann).await, [""; 0]);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn reminders_reach_members_until_the_event_has_ended(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    let calendar_id = house.calendar(&ann, "Home").await;
    house.admit(calendar_id, &bob).await;
    let tea = house.tea(&ann).await;
    house.now_is(&pool, "2030-05-01T15:30:00Z").await;
    let eve = Person::new("eve");
    let (mut ann_here, mut stranger) = (house.connect(&ann).await, house.connect(&eve).await);
    house.remind(tea, "first").await;
    let frame = ann_here.until("eventReminder").await;
    assert_eq!((&frame["_id"], &frame["calendar_name"]), (&json!("first"), &json!("Home")));
    assert_eq!((&frame["time"], &frame["inbox_seq"]), (&json!("2030-05-01T16:00:00.000Z"), &json!(1)));
    assert_eq!(house.ids_heard(&mut stranger, &eve).await, [""; 0], "it is none of their business");

    house.now_is(&pool, "2030-05-01T16:59:00Z").await;
    let mut late = house.connect(&bob).await;
    assert_eq!(house.ids_heard(&mut late, &bob).await, ["first"], "it has not ended yet");
    house.part(late).await;
    house.remind(tea, "second").await;
    // The call is over, for everybody whom it was for, before the event is.
    assert!(house.ids_heard(&mut ann_here, &ann).await.contains(&"second".to_owned()));
    house.now_is(&pool, "2030-05-01T17:00:00Z").await;
    let mut later = house.connect(&bob).await;
    assert_eq!(house.ids_heard(&mut later, &bob).await, [""; 0], "it is over");
    let kept = inbox::list(&house.service, &bob.identity, 0, 0).await.unwrap();
    assert!(kept.entries.iter().any(|entry| entry.payload.contains("second")), "but kept");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_call_that_is_lost_is_made_up_for(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    // It shares the database, and no bus.
    let deaf = House::open(&pool).await;
    let mut client = deaf.connect(&ann).await;
    assert_eq!(deaf.ids_heard(&mut client, &ann).await, [""; 0]);
    house.notify(&ann, "one").await;
    house.notify(&ann, "two").await;
    assert_eq!(client.until("notification").await["id"], "one");
    assert_eq!(client.until("notification").await["id"], "two");
}
