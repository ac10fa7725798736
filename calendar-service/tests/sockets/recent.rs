//! Reminders of the command `scheduleEvent`, when they are due.

use std::sync::Arc;

use calendar_service::{bus::MemoryBus, model::ScheduledReminder, reminder, socket::BroadcastScope};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    client::Client,
    house::{House, Person, Plan},
    socket_io_client::SocketIoClient,
};

fn reminder(id: &str, by: &Person, calendar_id: Option<Uuid>) -> ScheduledReminder {
    ScheduledReminder {
        id: id.to_owned(),
        name: "Tea".to_owned(),
        time: "2030-05-01T16:00:00.000Z".to_owned(),
        calendar_id,
        account_id: by.identity.account_id,
        late: false,
    }
}

impl House {
    async fn deliver(&self, id: &str, by: &Person, calendar_id: Option<Uuid>) {
        reminder::deliver_scheduled(&self.service, reminder(id, by, calendar_id)).await.unwrap();
    }

    async fn reminders(&self, client: &mut Client, person: &Person) -> Vec<Value> {
        self.heard_of(client, person, &["eventReminder"]).await
    }

    async fn reminded(&self, client: &mut Client, person: &Person) -> usize {
        self.reminders(client, person).await.len()
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn everybody_who_is_there_hears_it_once(pool: PgPool) {
    let bus = Arc::new(MemoryBus::new());
    let house = House::open_on(&pool, Plan::default(), |_| Arc::<MemoryBus>::clone(&bus)).await;
    let other = House::open_on(&pool, Plan::default(), |_| bus).await;
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let (mut one, mut two) = (house.connect(&ann).await, other.connect(&ann).await);
    let mut io = SocketIoClient::connect(house.address, &json!({ "token": bob.token() })).await.unwrap();
    // Every socket is known to its house, and both have greeted.
    io.ask("leave_calendar", &json!({ "calendar_name": "none" })).await;
    assert_eq!(house.reminded(&mut one, &ann).await + other.reminded(&mut two, &ann).await, 0);
    for _ in 0..3 {
        house.deliver("r", &ann, None).await;
    }
    let expected = json!({
        "type": "eventReminder", "name": "Tea", "time": "2030-05-01T16:00:00.000Z", "_id": "r",
    });
    assert_eq!(house.reminders(&mut one, &ann).await, std::slice::from_ref(&expected));
    assert_eq!(other.reminders(&mut two, &ann).await, [expected]);
    let heard = io.until("eventReminder").await;
    assert_eq!(heard, json!({ "name": "Tea", "time": "2030-05-01T16:00:00.000Z", "_id": "r" }));
    house.part(one).await;
    let mut again = house.connect(&ann).await;
    assert_eq!(house.reminded(&mut again, &ann).await, 0, "they have heard it");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn who_comes_within_a_quarter_of_an_hour_hears_it_once(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    // When somebody has heard it who was greeted before, the call is over.
    let (eve, carl) = (Person::new("eve"), Person::new("carl"));
    let mut there = house.connect(&carl).await;
    assert_eq!(house.reminded(&mut there, &carl).await, 0);
    house.deliver("r", &ann, None).await;
    assert_eq!(there.until("eventReminder").await.get("late"), None);
    let mut witness = house.connect(&eve).await;
    assert_eq!(house.reminded(&mut witness, &eve).await, 1);
    let mut client = house.connect(&ann).await;
    let heard = house.reminders(&mut client, &ann).await;
    assert_eq!((heard.len(), &heard[0]["_id"], &heard[0]["late"]), (1, &json!("r"), &json!(true)));
    house.part(client).await;
    // Also not from an instance that has just started.
    let other = House::open(&pool).await;
    let mut client = other.connect(&ann).await;
    assert_eq!(other.reminded(&mut client, &ann).await, 0);
    let mut client = other.connect(&bob).await;
    assert_eq!(other.reminded(&mut client, &bob).await, 1, "after a restart");
    other.part(client).await;

    // Negative control: what nobody remembers to have told is told again.
    sqlx::query("delete from heard_reminders").execute(&pool).await.unwrap();
    let mut client = other.connect(&bob).await;
    assert_eq!(other.reminded(&mut client, &bob).await, 1);
    other.part(client).await;
    sqlx::query("delete from heard_reminders").execute(&pool).await.unwrap();
    sqlx::query("update app_clock set shift = interval '15 minutes'").execute(&pool).await.unwrap();
    let mut client = other.connect(&bob).await;
    assert_eq!(other.reminded(&mut client, &bob).await, 0, "it is not recent any more");
    assert_eq!(house.service.store.sweep_recent_reminders(10).await.unwrap(), 1);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn one_of_a_room_is_for_its_members(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    let (carl, eve) = (Person::new("carl"), Person::new("eve"));
    let home = house.calendar(&ann, "Home").await;
    for member in [&bob, &carl] {
        house.admit(home, member).await;
    }
    let (mut member, mut stranger) = (house.connect(&bob).await, house.connect(&eve).await);
    house.deliver("r", &ann, Some(home)).await;
    house.deliver("gone", &ann, Some(Uuid::new_v4())).await;
    assert_eq!(house.reminded(&mut member, &bob).await, 1);
    assert_eq!(house.reminded(&mut stranger, &eve).await, 0);
    house.part(stranger).await;
    let mut late = house.connect(&carl).await;
    assert_eq!(house.reminded(&mut late, &carl).await, 1);
    let mut stranger = house.connect(&eve).await;
    assert_eq!(house.reminded(&mut stranger, &eve).await, 0, "nor later");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn the_scope_of_broadcasts_holds(pool: PgPool) {
    for (scope, expected) in [
        (BroadcastScope::Everyone, [1, 1, 1]),
        (BroadcastScope::Shared, [1, 1, 0]),
        (BroadcastScope::Off, [1, 0, 0]),
    ] {
        let house = House::open_as(&pool, Plan { scope, ..Plan::default() }).await;
        let people = [Person::new("ann"), Person::new("bob"), Person::new("eve")];
        let name = format!("{scope:?}");
        let calendar_id = house.calendar(&people[0], &name).await;
        house.admit(calendar_id, &people[1]).await;
        let mut live = Vec::new();
        for person in &people {
            live.push(house.connect(person).await);
        }
        house.deliver(&name, &people[0], None).await;
        let mut heard = [0; 3];
        for ((client, person), heard) in live.iter_mut().zip(&people).zip(&mut heard) {
            let reminders = house.reminders(client, person).await;
            *heard = reminders.iter().filter(|frame| frame["_id"] == *name).count();
        }
        assert_eq!(heard, expected, "{scope:?}, live");
        drop(live);
        sqlx::query("delete from heard_reminders").execute(&pool).await.unwrap();
        let later = House::open_as(&pool, Plan { scope, ..Plan::default() }).await;
        let mut heard = [0; 3];
        for (person, heard) in people.iter().zip(&mut heard) {
            let mut client = later.connect(person).await;
            let reminders = later.reminders(&mut client, person).await;
            *heard = reminders.iter().filter(|frame| frame["_id"] == *name).count();
        }
        assert_eq!(heard, expected, "{scope:?}, later");
    }
}
