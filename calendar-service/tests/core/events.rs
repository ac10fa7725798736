//! Events: create, read, update, delete.

use calendar_service::{MIGRATOR, calendar, change, event, ical::columns, member, model::EventView};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code, patch};

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_created_event_is_read_logged_and_confirmed(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let body = json!({
        "event_name": " Dinner ", "event_start": "2026-03-01T19:00:00", "event_end": "2026-03-01T21:00:00.000Z",
        "time_zone": "Europe/Berlin", "location": "Home; sweet, home", "description": "a\r\nb",
        "participants": ["BOB"], "reminders": [60, 15],
    });
    let created = world.event(&ann, "hOME", body).await.unwrap();
    assert_eq!(
        (created.event_start.as_str(), created.event_end.as_str()),
        ("2026-03-01T18:00:00Z", "2026-03-01T21:00:00Z")
    );
    assert_eq!((created.event_name.as_str(), created.description.as_str()), ("Dinner", "a\nb"));
    assert_eq!(
        (created.participants.as_slice(), created.reminders.as_slice()),
        (["ann".to_owned(), "bob".to_owned()].as_slice(), [15, 60].as_slice())
    );
    assert_eq!(
        (created.calendar_name.as_str(), created.created_by.as_str(), created.seq),
        ("Home", "ann", 3)
    );
    assert_eq!(event::get(&world.service, &bob, created.event_id).await.unwrap(), created);

    let page = change::since(&world.service, &bob, made.calendar_id, 2, 0).await.unwrap();
    let frame: Value = serde_json::from_str(&page.frames[0]).unwrap();
    assert_eq!(frame["event"], serde_json::to_value(&created).unwrap(), "one shape everywhere");

    world.settle(&world.service).await;
    let records = world.auth.records(created.event_id).unwrap();
    assert!(records.confirmed);
    assert_eq!(records.accounts, [ann.account_id, bob.account_id].into());
    let ical: String = sqlx::query_scalar("select ical from events").fetch_one(&world.pool).await.unwrap();
    assert_eq!(columns(&ical).unwrap().location, "Home; sweet, home");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_is_wrong_with_a_new_event_is_said(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, eve] = ["ann", "eve"].map(World::person);
    world.calendar(&ann, "Home").await;
    let create = async |calendar: &str, over| code(&world.event(&ann, calendar, over).await);
    assert_eq!(create("Nowhere", json!({})).await, "calendar_not_found");
    assert_eq!(create("", json!({})).await, "invalid");
    assert_eq!(create("Home", json!({ "event_end": "2026-03-01T09:59:59Z" })).await, "invalid");
    assert_eq!(code(&world.event(&eve, "Home", json!({})).await), "not_a_member");
    let unknown =
        world.event(&ann, "Home", json!({ "participants": ["ann", "eve", "bob"] })).await.unwrap_err();
    assert_eq!(
        (unknown.reason.as_str(), unknown.names),
        ("participant_unknown", vec!["eve".to_owned(), "bob".to_owned()])
    );
    assert_eq!(
        world.count("select count(*) from events").await + world.count("select count(*) from sagas").await,
        0
    );
    assert_eq!(
        create("Home", json!({ "event_end": "2026-03-01T10:00:00Z" })).await,
        "ok",
        "no length is allowed"
    );
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn days_are_days(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    let days = json!({ "all_day": true, "event_start": "9999-12-30", "event_end": "9999-12-31", "time_zone": "America/New_York" });
    let created = world.event(&ann, "Home", days).await.unwrap();
    let read = event::get(&world.service, &ann, created.event_id).await.unwrap();
    assert_eq!(
        (read.event_start.as_str(), read.event_end.as_str(), read.all_day),
        ("9999-12-30", "9999-12-31", true)
    );
    assert_eq!(read, created);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_patch_merges_and_keeps_what_we_do_not_model(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let created =
        world.event(&ann, "Home", json!({ "location": "x", "participants": ["bob"] })).await.unwrap();
    world.settle(&world.service).await;
    sqlx::query("update events set ical = replace(ical, 'BEGIN:VEVENT', E'BEGIN:VEVENT\\r\\nX-TRAVEL;A=\"b;c\":PT5M')")
        .execute(&world.pool)
        .await
        .unwrap();
    let id = created.event_id;
    let changes = patch(json!({ "event_name": "Supper", "location": null, "participants": [] }));
    let updated = event::update(&world.service, &bob, id, &created.etag, changes).await.unwrap();
    let expected = EventView {
        event_name: "Supper".into(),
        location: String::new(),
        participants: vec!["ann".into()],
        etag: updated.etag.clone(),
        updated_at: updated.updated_at.clone(),
        seq: 4,
        ..created.clone()
    };
    assert_eq!(updated, expected);
    assert_ne!(updated.etag, created.etag);
    assert_eq!(event::get(&world.service, &ann, id).await.unwrap(), updated);
    let ical: String = sqlx::query_scalar("select ical from events").fetch_one(&world.pool).await.unwrap();
    assert!(ical.contains("X-TRAVEL;A=\"b;c\":PT5M\r\n") && ical.contains("SEQUENCE:1\r\n"), "{ical}");

    let page = change::since(&world.service, &ann, made.calendar_id, 3, 0).await.unwrap();
    let frame: Value = serde_json::from_str(&page.frames[0]).unwrap();
    assert_eq!(
        (frame["by"].as_str(), &frame["event"]),
        (Some("bob"), &serde_json::to_value(&updated).unwrap())
    );
    world.settle(&world.service).await;
    assert_eq!(world.auth.records(id).unwrap().accounts, [ann.account_id].into());
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_stale_etag_changes_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    let created = world.event(&ann, "Home", json!({})).await.unwrap();
    let id = created.event_id;
    let update = async |etag: &str, name: &str| {
        event::update(&world.service, &ann, id, etag, patch(json!({ "event_name": name }))).await
    };
    let first = update(&created.etag, "one").await.unwrap();
    assert_eq!(code(&update(&created.etag, "two").await), "stale");
    assert_eq!(code(&event::delete(&world.service, &ann, id, &created.etag).await), "stale");
    let both = futures::future::join(update(&first.etag, "three"), update(&first.etag, "four")).await;
    let mut codes = [code(&both.0), code(&both.1)];
    codes.sort_unstable();
    assert_eq!(codes, ["ok", "stale"]);
    let stars = futures::future::join_all((0..5).map(|_| update("*", "five"))).await;
    assert!(stars.iter().all(Result::is_ok), "{stars:?}");
    assert_eq!(
        calendar::list(&world.service, &ann).await.unwrap()[0].last_seq,
        9,
        "no seq is lost to a refusal"
    );
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_deleted_event_is_gone_with_its_records(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    let created = world.event(&ann, "Home", json!({})).await.unwrap();
    world.settle(&world.service).await;
    event::delete(&world.service, &ann, created.event_id, &format!("\"{}\"", created.etag)).await.unwrap();
    assert_eq!(code(&event::get(&world.service, &ann, created.event_id).await), "event_not_found");
    assert_eq!(code(&event::delete(&world.service, &ann, created.event_id, "*").await), "event_not_found");
    let page = change::since(&world.service, &ann, made.calendar_id, 2, 0).await.unwrap();
    let frame: Value = serde_json::from_str(&page.frames[0]).unwrap();
    assert_eq!((&frame["type"], &frame["event_id"]), (&json!("event_deleted"), &json!(created.event_id)));
    world.settle(&world.service).await;
    assert_eq!(world.auth.records(created.event_id), None);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_deleted_calendar_takes_its_events_and_records(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(world.event(&ann, "Home", json!({})).await.unwrap().event_id);
    }
    calendar::delete(&world.service, &ann, made.calendar_id).await.unwrap();
    for event_id in &events {
        assert_eq!(code(&event::get(&world.service, &ann, *event_id).await), "event_not_found");
        let update = event::update(&world.service, &ann, *event_id, "*", patch(json!({})));
        assert_eq!(code(&update.await), "event_not_found");
    }
    assert_eq!(
        code(&change::since(&world.service, &ann, made.calendar_id, 0, 0).await),
        "calendar_not_found"
    );
    world.settle(&world.service).await;
    assert_eq!(world.auth.events().len(), 0);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_creator_who_left_is_not_made_a_participant_again(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let created = world.event(&bob, "Home", json!({ "participants": ["ann"] })).await.unwrap();
    member::leave(&world.service, &bob, "Home").await.unwrap();
    let updated =
        event::update(&world.service, &ann, created.event_id, "*", patch(json!({ "participants": ["ann"] })));
    assert_eq!(updated.await.unwrap().participants, ["ann"]);
    let gone =
        event::update(&world.service, &ann, created.event_id, "*", patch(json!({ "participants": ["bob"] })));
    assert_eq!(code(&gone.await), "participant_unknown");
    assert_eq!(code(&event::get(&world.service, &ann, Uuid::now_v7()).await), "event_not_found");
}
