//! Reminders of events: what notification-service is told, and who hears one
//! that is due.

use std::collections::HashSet;

use calendar_service::{
    MIGRATOR,
    calendar::{self, SettingsPatch},
    event, inbox, member,
    model::{Edit, EventView, Zone, read_date_time},
    outbox,
    reminder::{self, DueReminder},
};
use chassis::tokens::Identity;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    notification_double::Known,
    world::{World, code, patch},
};

const START: &str = "2030-05-01T16:00:00Z";

/// An event an hour long, in years to come.
async fn tea(world: &World, who: &Identity, over: Value) -> EventView {
    let mut fields =
        json!({ "event_name": "Tea", "event_start": START, "event_end": "2030-05-01T17:00:00Z" });
    fields.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    world.event(who, "Home", fields).await.unwrap()
}

async fn set_default(world: &World, owner: &Identity, calendar_id: Uuid, minutes: &[u32]) {
    let patch = SettingsPatch { default_reminders: Edit::Set(minutes.to_vec()), ..SettingsPatch::default() };
    calendar::update(&world.service, owner, calendar_id, patch).await.unwrap();
}

async fn choose(world: &World, who: &Identity, event_id: Uuid, minutes: Option<&[u32]>) {
    let own = reminder::set_own(&world.service, who, event_id, minutes.map(<[u32]>::to_vec)).await.unwrap();
    assert_eq!(own.own, minutes.is_some());
    if let Some(minutes) = minutes {
        assert_eq!(own.minutes, minutes);
    }
}

fn due(event_id: Uuid, minutes_before: u32, starts_at: &str) -> DueReminder {
    DueReminder {
        id: Uuid::now_v7().to_string(),
        event_id,
        minutes_before,
        starts_at: read_date_time(starts_at, &Zone::utc()).unwrap(),
        late: false,
    }
}

/// Who of these people hears this reminder.
async fn hearers<'a>(world: &World, people: &'a [Identity], due: DueReminder) -> HashSet<&'a str> {
    let counts = async || {
        let mut counts = Vec::new();
        for person in people {
            counts.push(inbox::list(&world.service, person, 0, 0).await.unwrap().last_seq);
        }
        counts
    };
    let before = counts().await;
    reminder::remind(&world.service, due).await.unwrap();
    let after = counts().await;
    let heard = people.iter().zip(before.iter().zip(&after)).filter(|(_, (before, after))| before < after);
    heard.map(|(person, _)| &*person.username).collect()
}

fn known(world: &World, event_id: Uuid) -> Known {
    world.notification.known(event_id).unwrap_or_default()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn whom_a_reminder_concerns_is_asked_when_it_is_due(pool: PgPool) {
    let world = World::new(pool).await;
    let people = ["ann", "bob", "carl", "eve"].map(World::person);
    let [ann, bob, carl, eve] = &people;
    let home = world.calendar(ann, "Home").await;
    set_default(&world, ann, home.calendar_id, &[15]).await;
    world.join(bob, "Home").await;
    world.join(carl, "Home").await;
    let named = tea(&world, ann, json!({ "reminders": [30] })).await.event_id;
    let unnamed = tea(&world, ann, json!({})).await.event_id;
    let none = tea(&world, ann, json!({ "reminders": [] })).await.event_id;
    choose(&world, bob, named, Some(&[5, 60])).await;
    choose(&world, carl, unnamed, Some(&[])).await;
    choose(&world, carl, none, Some(&[10])).await;
    let strange = reminder::set_own(&world.service, eve, named, Some(vec![30])).await;
    assert_eq!(code(&strange), "event_not_found");

    let hear = async |event, minutes| hearers(&world, &people, due(event, minutes, START)).await;
    assert_eq!(hear(named, 30).await, HashSet::from(["ann", "carl"]), "the event's own");
    assert_eq!(hear(named, 5).await, HashSet::from(["bob"]), "a choice");
    assert_eq!(hear(named, 15).await, HashSet::new(), "the default does not count");
    assert_eq!(hear(unnamed, 15).await, HashSet::from(["ann", "bob"]), "the default; muted by one");
    assert_eq!(hear(none, 15).await, HashSet::new(), "an empty list is no reminders");
    assert_eq!(hear(none, 10).await, HashSet::from(["carl"]));

    // Back to what the event says; a member who left hears nothing.
    choose(&world, bob, named, None).await;
    assert_eq!(hear(named, 30).await, HashSet::from(["ann", "bob", "carl"]));
    member::leave(&world.service, carl, "Home").await.unwrap();
    assert_eq!(hear(none, 10).await, HashSet::new());
    world.join(carl, "Home").await;
    assert_eq!(hear(none, 10).await, HashSet::new(), "the choice left with them");

    let shown = async |id| event::get(&world.service, ann, id).await.unwrap().reminders;
    assert_eq!(shown(unnamed).await, [15]);
    set_default(&world, ann, home.calendar_id, &[20]).await;
    assert_eq!((shown(unnamed).await, shown(named).await, shown(none).await), (vec![20], vec![30], vec![]));
    let clear = patch(json!({ "reminders": null }));
    event::update(&world.service, ann, named, "*", clear).await.unwrap();
    assert_eq!(shown(named).await, [20], "null: it names none any more");
    assert_eq!(hear(named, 20).await.len(), 3);
    let odd = reminder::set_own(&world.service, bob, named, Some(vec![9_999_999])).await.unwrap_err();
    assert_eq!(odd.fields[0].field, "minutes");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_stale_or_repeated_delivery_reaches_nobody(pool: PgPool) {
    let world = World::new(pool).await;
    let people = ["ann", "bob"].map(World::person);
    let [ann, bob] = &people;
    world.calendar(ann, "Home").await;
    world.join(bob, "Home").await;
    let event_id = tea(&world, ann, json!({ "reminders": [30] })).await.event_id;
    let moved = patch(json!({ "event_start": "2030-05-01T16:30:00Z" }));
    event::update(&world.service, ann, event_id, "*", moved).await.unwrap();
    assert_eq!(hearers(&world, &people, due(event_id, 30, START)).await, HashSet::new(), "it was moved");
    // Negative control: with the start of now the same reminder is heard.
    let right = due(event_id, 30, "2030-05-01T16:30:00Z");
    assert_eq!(hearers(&world, &people, right.clone()).await.len(), 2);
    assert_eq!(hearers(&world, &people, right.clone()).await.len(), 0, "a repeat changes nothing");
    let carl = World::person("carl");
    world.join(&carl, "Home").await;
    assert_eq!(hearers(&world, &[carl], right).await.len(), 0, "not even for who came since");

    let frame = inbox::list(&world.service, bob, 0, 0).await.unwrap().entries[0].frame();
    let frame: Value = serde_json::from_str(&frame).unwrap();
    assert_eq!((&frame["type"], &frame["name"]), (&json!("eventReminder"), &json!("Tea")));
    assert_eq!((&frame["time"], &frame["minutes_before"]), (&json!("2030-05-01T16:30:00.000Z"), &json!(30)));
    assert_eq!((&frame["event_id"], &frame["inbox_seq"]), (&json!(event_id), &json!(1)));

    event::delete(&world.service, ann, event_id, "*").await.unwrap();
    let gone = due(event_id, 30, "2030-05-01T16:30:00Z");
    assert_eq!(hearers(&world, &people, gone).await, HashSet::new());
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_other_service_knows_everybodys_minutes(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let home = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let named = tea(&world, &ann, json!({ "reminders": [30, 10] })).await.event_id;
    let unnamed = tea(&world, &ann, json!({})).await.event_id;
    let past = json!({ "event_start": "2020-05-01T16:00:00Z", "event_end": "2020-05-01T17:00:00Z", "reminders": [1] });
    let past = tea(&world, &ann, past).await.event_id;
    let day = json!({
        "all_day": true, "event_start": "2030-05-01", "event_end": "2030-05-01", "time_zone": "Europe/Berlin",
        "reminders": [60],
    });
    let day = tea(&world, &ann, day).await.event_id;
    world.settle(&world.service).await;
    let expected = Known { revision: 1, starts_at: START.to_owned(), minutes: vec![10, 30] };
    assert_eq!(world.notification.known(named), Some(expected));
    assert_eq!(world.notification.known(unnamed), None, "there is nothing to know");
    assert_eq!(world.notification.known(past), None);
    assert_eq!(known(&world, day).starts_at, "2030-04-30T22:00:00Z", "midnight in its zone");

    choose(&world, &bob, named, Some(&[5, 10])).await;
    choose(&world, &ann, unnamed, Some(&[7])).await;
    world.settle(&world.service).await;
    assert_eq!(known(&world, named).minutes, [5, 10, 30]);
    assert_eq!(known(&world, unnamed).minutes, [7]);

    // A change of the default: what follows it, in steps; what does not is not touched.
    let words = world.notification.revisions(named).len();
    set_default(&world, &ann, home.calendar_id, &[15]).await;
    world.settle(&world.service).await;
    assert_eq!(known(&world, unnamed).minutes, [7, 15]);
    assert_eq!(world.notification.revisions(named).len(), words);

    let moved = patch(json!({ "event_start": "2030-05-01T15:00:00Z" }));
    event::update(&world.service, &ann, named, "*", moved).await.unwrap();
    let renamed = patch(json!({ "event_name": "Coffee" }));
    event::update(&world.service, &ann, day, "*", renamed).await.unwrap();
    world.settle(&world.service).await;
    assert_eq!(known(&world, named).starts_at, "2030-05-01T15:00:00Z");
    assert_eq!(world.notification.revisions(day), [1], "a name is no news");

    event::delete(&world.service, &ann, named, "*").await.unwrap();
    world.settle(&world.service).await;
    assert!(known(&world, named).minutes.is_empty());
    let last = known(&world, unnamed).revision;
    calendar::delete(&world.service, &ann, home.calendar_id).await.unwrap();
    world.settle(&world.service).await;
    for event_id in [unnamed, day] {
        assert!(known(&world, event_id).minutes.is_empty());
    }
    assert!(known(&world, unnamed).revision > last);
    let muted = reminder::set_own(&world.service, &bob, day, Some(vec![])).await;
    assert_eq!(code(&muted), "event_not_found");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn revisions_only_grow_and_the_last_one_is_said(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let event_id = tea(&world, &ann, json!({ "reminders": [1] })).await.event_id;
    let other = world.instance();
    for n in 2..20_u32 {
        let fields = patch(json!({ "reminders": [n] }));
        let update = event::update(&world.service, &ann, event_id, "*", fields);
        let own = reminder::set_own(&other, &bob, event_id, Some(vec![1000 + n]));
        let (updated, own, round) = futures::join!(update, own, outbox::round(&other));
        updated.unwrap();
        own.unwrap();
        round.unwrap();
    }
    world.settle(&world.service).await;
    assert_eq!(known(&world, event_id).minutes, [19, 1019]);
    let revisions = world.notification.revisions(event_id);
    assert!(revisions.is_sorted_by(|one, other| one < other), "{revisions:?}");
    assert_eq!(revisions.last(), Some(&37));

    // What an older word would say now is ignored there, and not even said here.
    sqlx::query("update outbox set delivered_at = null where lane = 'reminders'")
        .execute(&world.pool)
        .await
        .unwrap();
    world.settle(&world.service).await;
    assert_eq!(known(&world, event_id).minutes, [19, 1019]);
    assert_eq!(world.notification.revisions(event_id).len(), revisions.len() + 1, "the last one only");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_was_there_before_reminders_is_told_as_well(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let home = world.calendar(&ann, "Home").await;
    let mut events = Vec::new();
    for n in 0..3 {
        events.push(tea(&world, &ann, json!({ "reminders": [n] })).await.event_id);
    }
    let silent = tea(&world, &ann, json!({})).await.event_id;
    // As the schema finds a calendar from before.
    sqlx::query("delete from outbox where lane = 'reminders'").execute(&world.pool).await.unwrap();
    sqlx::query("update events set reminder_revision = 0").execute(&world.pool).await.unwrap();
    sqlx::query("insert into outbox (lane, key, kind, payload) values ('reminders', $1, 'calendar_reminders', '{\"all\": true}')")
        .bind(home.calendar_id)
        .execute(&world.pool)
        .await
        .unwrap();
    world.settle(&world.service).await;
    for (event_id, n) in events.into_iter().zip(0..) {
        assert_eq!(known(&world, event_id).minutes, [n]);
    }
    assert_eq!(world.notification.known(silent), None);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_walk_through_many_events_goes_in_steps(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let home = world.calendar(&ann, "Home").await;
    tea(&world, &ann, json!({})).await;
    world.settle(&world.service).await;
    sqlx::query(
        "insert into events (event_id, calendar_id, state, ical, uid, summary, starts_at, ends_at, time_zone, all_day,
             location, description, reminders, names_reminders, participants, participant_names, sequence, status,
             created_by, created_by_name, seq)
         select gen_random_uuid(), calendar_id, state, ical, uid, summary, starts_at, ends_at, time_zone, all_day,
             location, description, reminders, names_reminders, participants, participant_names, sequence, status,
             created_by, created_by_name, seq
         from events, generate_series(1, 1200)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    set_default(&world, &ann, home.calendar_id, &[15]).await;
    for step in [500, 1000, 1201] {
        // The job alone: the words wait.
        sqlx::query("update outbox set next_attempt_at = 'infinity' where kind = 'set_reminders'")
            .execute(&world.pool)
            .await
            .unwrap();
        outbox::round(&world.service).await.unwrap();
        assert_eq!(world.count("select count(*) from outbox where kind = 'set_reminders'").await, step);
    }
    assert_eq!(world.count("select count(*) from events where reminder_revision <> 1").await, 0);
}
