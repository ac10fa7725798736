//! Finished more than thirty minutes after the start.

use activity_service::{MIGRATOR, model::Instant};
use sqlx::PgPool;

use crate::world::{World, training};

fn praise(minutes: u32) -> String {
    format!("Congratulations, you trained {minutes} minutes today!")
}

/// `what` at so many minutes and seconds.
type Step = (&'static str, &'static str, i64, i64);

fn events(device: &str, from: Instant, steps: &[Step]) -> Vec<serde_json::Value> {
    let event = |&(what, programme, minute, second): &Step| {
        training(device, what, programme, from.plus(minute * 60 + second))
    };
    steps.iter().map(event).collect()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn only_what_took_more_than_thirty_minutes_counts_and_once(pool: PgPool) {
    let world = World::new(pool).await;
    let from = world.now().await.plus(-6000);
    let table: [(&str, &[Step], &[u32]); 11] = [
        ("exactly thirty", &[("started", "a", 0, 0), ("finished", "a", 30, 0)], &[]),
        ("a second more", &[("started", "a", 0, 0), ("finished", "a", 30, 1)], &[30]),
        ("whole minutes", &[("started", "a", 0, 0), ("finished", "a", 45, 59)], &[45]),
        ("cancelled", &[("started", "a", 0, 0), ("cancelled", "a", 50, 0)], &[]),
        (
            "cancelled first",
            &[("started", "a", 0, 0), ("cancelled", "a", 5, 0), ("finished", "a", 50, 0)],
            &[],
        ),
        ("unfinished", &[("started", "a", 0, 0)], &[]),
        ("another programme", &[("started", "a", 0, 0), ("finished", "b", 50, 0)], &[]),
        (
            "two at once",
            &[
                ("started", "a", 0, 0),
                ("started", "b", 5, 0),
                ("finished", "a", 40, 0),
                ("finished", "b", 41, 0),
            ],
            &[40, 36],
        ),
        (
            "finished twice",
            &[("started", "a", 0, 0), ("finished", "a", 40, 0), ("finished", "a", 50, 0)],
            &[40],
        ),
        ("started anew", &[("started", "a", 0, 0), ("started", "a", 10, 0), ("finished", "a", 45, 0)], &[35]),
        (
            "one after the other",
            &[
                ("started", "a", 0, 0),
                ("finished", "a", 31, 0),
                ("started", "a", 31, 0),
                ("finished", "a", 63, 0),
            ],
            &[31, 32],
        ),
    ];
    for (device, steps, _) in &table {
        world.send(&events(device, from, steps)).await;
    }
    world.settle().await;
    // All again, without ids.
    for (device, steps, _) in &table {
        world.send(&events(device, from, steps)).await;
    }
    world.settle().await;
    for (device, _, minutes) in table {
        let mut expected: Vec<_> = minutes.iter().map(|minutes| praise(*minutes)).collect();
        let mut heard = world.notifier.words(device);
        expected.sort();
        heard.sort();
        assert_eq!(heard, expected, "{device}");
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn order_of_arrival_does_not_matter(pool: PgPool) {
    let world = World::new(pool).await;
    let from = world.now().await.plus(-6000);
    for event in events("d", from, &[("finished", "a", 40, 0), ("started", "a", 0, 0)]) {
        world.send(&[event]).await;
        world.settle().await;
    }
    assert_eq!(world.notifier.words("d"), [praise(40)]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_was_told_is_not_told_again_in_other_words(pool: PgPool) {
    let world = World::new(pool).await;
    let from = world.now().await.plus(-6000);
    world.send(&events("d", from, &[("started", "a", 0, 0), ("finished", "a", 90, 0)])).await;
    world.settle().await;
    // It comes out that it was started anew in between, and finished before.
    world.send(&events("d", from, &[("started", "a", 10, 0)])).await;
    world.settle().await;
    world.send(&events("d", from, &[("finished", "a", 80, 0)])).await;
    world.settle().await;
    assert_eq!(world.notifier.words("d"), [praise(90)]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_example_of_the_source_document(pool: PgPool) {
    let world = World::new(pool).await;
    let event = |user: &str, device: &str, kind: &str, at: &str| {
        serde_json::json!({
            "user_id": user, "device_id": device, "type": kind, "training_program_id": "2352",
            "time_stamp": format!("2021-02-28 {at}"),
        })
    };
    world
        .send(&[
            event("foo2", "bar2", "app_launch", "16:22:52"),
            event("foo1", "bar1", "training_program_started", "16:23:25"),
            event("foo2", "bar2", "training_program_started", "16:52:00"),
            event("foo2", "bar2", "training_program_cancelled", "16:54:21"),
            event("foo1", "bar1", "training_program_finished", "16:59:43"),
        ])
        .await;
    world.settle().await;
    assert_eq!(world.notifier.words("bar1"), [praise(36)]);
    assert_eq!(world.notifier.words("bar2"), [""; 0], "five years old: recorded only");
}
