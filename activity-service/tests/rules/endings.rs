//! What is over goes, what is not stays; and nothing stays of an account that is gone.

use std::time::Duration;

use activity_service::{MIGRATOR, processor, removal::remove_account};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, launch, minutes, training};

const DAY: f64 = 86_400.0;

async fn sweep(world: &World, keep: f64) {
    let store = &world.service.store;
    for _ in 0..10 {
        store.sweep_events(keep, 2).await.unwrap();
        store.sweep_notifications(keep, 2).await.unwrap();
        store.sweep_devices(keep, 2).await.unwrap();
    }
}

const ROWS: &str = "select (select count(*) from device_events) + (select count(*) from devices)
                    + (select count(*) from notifications)";

#[sqlx::test(migrator = "MIGRATOR")]
async fn old_rows_go_unless_something_still_needs_them(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    world.send(&[launch("done", now), training("done", "started", "p", now.plus(3))]).await;
    world.send(&[launch("told", now)]).await;
    world.advance(minutes(11)).await;
    world.settle().await;
    world.send(&[launch("ahead", now.plus(90 * 86_400))]).await;
    world.settle().await;
    world.send(&[launch("unseen", now)]).await;
    assert_eq!(world.count(ROWS).await, 5 + 4 + 2);
    world.advance(Duration::from_hours(29 * 24)).await;
    sweep(&world, 30.0 * DAY).await;
    assert_eq!(world.count(ROWS).await, 5 + 4 + 2, "kept for thirty days");
    world.advance(Duration::from_hours(2 * 24)).await;
    sweep(&world, 30.0 * DAY).await;
    assert_eq!(world.count("select count(*) from device_events").await, 1, "what the rules have not seen");
    assert_eq!(world.count("select count(*) from devices").await, 2);
    assert_eq!(world.count("select count(*) from notifications").await, 1, "what is not told yet");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn nothing_stays_of_an_account_that_is_gone(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    let events: Vec<_> = (0..200).map(|n| launch(&format!("d{}", n % 3), now.plus(n))).collect();
    world.send(&events).await;
    while processor::round(&world.service).await.unwrap() {}
    let other = World { account: Uuid::now_v7(), ..world };
    other.send(&events[..2]).await;
    while processor::round(&other.service).await.unwrap() {}
    // A claim from before it went.
    let account = "select account_id from device_events group by 1 order by count(*) desc limit 1";
    let account: Uuid = sqlx::query_scalar(account).fetch_one(&other.pool).await.unwrap();
    let gone = World { account, ..other };
    gone.send(&events[..1]).await;
    let claims = gone.service.store.claim_devices(8, 10.0).await.unwrap();
    assert_eq!(claims.len(), 1);
    for _ in 0..2 {
        remove_account(&gone.service, account).await.unwrap();
    }
    assert_eq!(gone.count(ROWS).await, 2 * 3, "another account's events, devices and notifications");
    let mut tx = gone.service.store.begin().await.unwrap();
    assert!(tx.finish_devices(&claims).await.unwrap().is_empty(), "the claim is worth nothing");
}
