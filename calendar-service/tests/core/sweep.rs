//! What is over is removed, what is not stays.

use std::time::Duration;

use calendar_service::{MIGRATOR, calendar, member};
use serde_json::json;
use sqlx::PgPool;

use crate::world::World;

const DAY: u64 = 86_400;

async fn sweep(world: &World) {
    let store = &world.service.store;
    for _ in 0..20 {
        store.sweep_sagas(2).await.unwrap();
        store.sweep_outbox(2).await.unwrap();
        store.sweep_password_tries(2).await.unwrap();
        store.sweep_calendars(2).await.unwrap();
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_deleted_calendar_is_kept_for_thirty_days(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(World::person);
    let gone = world.calendar(&ann, "Gone").await;
    world.calendar(&ann, "Stays").await;
    for person in [&bob, &carl] {
        world.join(person, "Gone").await;
    }
    let _ = member::join(&world.service, &World::person("eve"), "Stays", Some("guess")).await;
    for name in ["Gone", "Gone", "Gone", "Stays"] {
        world.event(&ann, name, json!({})).await.unwrap();
    }
    member::remove(&world.service, &ann, gone.calendar_id, "carl").await.unwrap();
    calendar::delete(&world.service, &ann, gone.calendar_id).await.unwrap();
    world.settle(&world.service).await;
    let rows = "select (select count(*) from calendars) + (select count(*) from members) + (select count(*) from events)
                + (select count(*) from barred_members) + (select count(*) from calendar_changes)";
    let before = world.count(rows).await;

    world.advance(Duration::from_secs(29 * DAY)).await;
    sweep(&world).await;
    assert_eq!(world.count(rows).await, before, "undo is possible");
    let done = "select (select count(*) from sagas) + (select count(*) from outbox) + (select count(*) from password_tries)";
    assert_eq!(world.count(done).await, 0, "what is finished went");

    world.advance(Duration::from_secs(2 * DAY)).await;
    sweep(&world).await;
    assert_eq!(world.count(rows).await, 1 + 1 + 1 + 2, "Stays: a calendar, a member, an event, two changes");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_is_not_finished_stays(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    world.event(&ann, "Home", json!({})).await.unwrap();
    world.advance(Duration::from_secs(90 * DAY)).await;
    sweep(&world).await;
    assert_eq!(world.unfinished().await, 2, "the saga and its confirmation");
}
