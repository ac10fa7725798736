//! Launched, and nothing started within ten minutes.

use activity_service::{MIGRATOR, notify};
use sqlx::PgPool;

use crate::world::{World, launch, minutes, training};

const REMINDER: &str = "Time to start your training!";

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_launch_alone_reminds_once_after_ten_minutes(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    world.send(&[launch("d", now)]).await;
    world.settle().await;
    world.advance(minutes(9)).await;
    world.settle().await;
    assert!(world.notifier.heard().is_empty());
    world.advance(minutes(1)).await;
    world.settle().await;
    let heard = world.notifier.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        (heard[0].account_id.as_str(), heard[0].device_id.as_str()),
        (&*world.account.to_string(), "d")
    );
    assert_eq!(heard[0].message, REMINDER);
    // The same launch again, without an id; and time goes by.
    world.send(&[launch("d", now)]).await;
    world.advance(minutes(30)).await;
    world.settle().await;
    assert_eq!(world.notifier.calls(), 1);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_start_in_time_cancels_the_reminder_also_when_it_arrives_late(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    for (device, start, reminded) in [
        ("at once", Some(0), false),
        ("in time", Some(600), false),
        ("too late", Some(601), true),
        ("before", Some(-1), true),
        ("never", None, true),
    ] {
        world.send(&[launch(device, now)]).await;
        world.settle().await;
        if let Some(seconds) = start {
            world.send(&[training(device, "started", "p", now.plus(seconds))]).await;
        }
        world.settle().await;
        assert_eq!(world.notifier.words(device).len(), 0);
        let waiting = "select count(*) from notifications where outcome is null";
        assert_eq!(world.count(waiting).await, i64::from(reminded), "{device}");
        sqlx::query("delete from notifications").execute(&world.pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_arrived_in_time_counts_before_what_is_due(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    world.send(&[launch("d", now), launch("other", now)]).await;
    world.settle().await;
    // The start is in the inbox; nobody has looked at it when the reminder is due.
    world.send(&[training("d", "started", "p", now.plus(60))]).await;
    world.advance(minutes(11)).await;
    let round = notify::round(&world.service).await.unwrap();
    assert_eq!((round.tried, world.notifier.words("other").len()), (1, 1), "other devices do not wait");
    world.settle().await;
    assert_eq!(world.notifier.words("d"), [""; 0]);
    assert_eq!(world.count("select count(*) from notifications where outcome = 'cancelled'").await, 1);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_start_after_the_reminder_went_out_changes_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    world.send(&[launch("d", now)]).await;
    world.advance(minutes(11)).await;
    world.settle().await;
    world.send(&[training("d", "started", "p", now.plus(60))]).await;
    world.advance(minutes(11)).await;
    world.settle().await;
    assert_eq!(world.notifier.words("d"), [REMINDER]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_launch_over_an_hour_old_is_recorded_only(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    world.send(&[launch("old", now.plus(-3700)), launch("late", now.plus(-3500))]).await;
    world.settle().await;
    assert_eq!(world.notifier.words("old"), [""; 0]);
    assert_eq!(world.notifier.words("late"), [REMINDER], "due since 48 minutes");
    assert_eq!(world.count("select count(*) from device_events").await, 2);
    // Something new about it makes it no younger, and no older.
    world.send(&[launch("old", now.plus(-3700)), launch("late", now.plus(-3500))]).await;
    world.settle().await;
    assert_eq!(world.notifier.calls(), 1);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn each_launch_reminds_for_itself_in_order(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    let events = [launch("d", now.plus(120)), launch("d", now), launch("d", now.plus(60))];
    world.send(&events).await;
    world.settle().await;
    world.advance(minutes(20)).await;
    world.settle().await;
    assert_eq!(world.notifier.words("d"), [REMINDER; 3]);
    let order = "select count(*) from notifications n join notifications m
                 on n.due_at < m.due_at and n.ended_at > m.ended_at";
    assert_eq!(world.count(order).await, 0);
}
