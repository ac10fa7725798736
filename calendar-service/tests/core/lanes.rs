//! The lanes of the outbox: who is away delays nobody else.

use std::time::Duration;

use calendar_service::{
    MIGRATOR, event, outbox,
    store::{Lane, Store},
};
use chassis::fault::{Fault, Reason};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    auth_double::Mood,
    world::{World, eventually, patch},
};

async fn waiting(store: &Store, lane: Lane) -> i64 {
    store.outbox_depth(lane).await.unwrap().0
}

/// An event with a reminder to come, and a change of both its participants and
/// its reminders.
async fn busy_event(world: &World) -> uuid::Uuid {
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let times = json!({
        "event_start": "2030-05-01T16:00:00Z", "event_end": "2030-05-01T17:00:00Z", "reminders": [5],
    });
    let event_id = world.event(&ann, "Home", times).await.unwrap().event_id;
    let fields = patch(json!({ "participants": ["bob"], "reminders": [6] }));
    event::update(&world.service, &ann, event_id, "*", fields).await.unwrap();
    event_id
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn an_absent_notification_service_delays_no_participants(pool: PgPool) {
    let world = World::new(pool).await;
    world.notification.away(true);
    let event_id = busy_event(&world).await;
    for _ in 0..4 {
        outbox::round(&world.service).await.unwrap();
    }
    let records = world.auth.records(event_id).unwrap();
    assert_eq!((records.revision, records.accounts.len(), records.confirmed), (2, 2, true));
    let store = &world.service.store;
    // The first word about the reminders was overtaken by the second, and is not said at all.
    assert_eq!((waiting(store, Lane::Accounts).await, waiting(store, Lane::Reminders).await), (0, 1));
    assert!(world.notification.known(event_id).is_none());
    world.notification.away(false);
    world.settle(&world.service).await;
    assert_eq!(world.notification.known(event_id).unwrap().minutes, [6]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn an_absent_auth_service_delays_no_reminders(pool: PgPool) {
    let world = World::new(pool).await;
    let event_id = {
        world.auth.mood("confirm", Mood::Refusing(Fault::of(Reason::Unavailable)));
        busy_event(&world).await
    };
    for _ in 0..4 {
        outbox::round(&world.service).await.unwrap();
    }
    assert_eq!(world.notification.known(event_id).unwrap().minutes, [6]);
    assert_eq!(waiting(&world.service.store, Lane::Accounts).await, 2);

    // Negative control: in one lane the words about one event wait for each other.
    sqlx::query("update outbox set lane = 'accounts', delivered_at = null")
        .execute(&world.pool)
        .await
        .unwrap();
    let words = world.notification.revisions(event_id).len();
    for _ in 0..4 {
        world.advance(Duration::from_secs(3)).await;
        outbox::round(&world.service).await.unwrap();
    }
    assert_eq!(world.notification.revisions(event_id).len(), words);
    world.auth.mood("confirm", Mood::Willing);
    world.settle(&world.service).await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn who_is_away_is_asked_with_one_word_and_hears_all_when_back(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    world.notification.away(true);
    let mut events = Vec::new();
    for n in 0..100 {
        let times = json!({
            "event_start": "2030-05-01T16:00:00Z", "event_end": "2030-05-01T17:00:00Z", "reminders": [n],
        });
        events.push(world.event(&ann, "Home", times).await.unwrap().event_id);
    }
    let loops = Lane::ALL.map(|lane| tokio::spawn(outbox::run(world.service.clone(), lane)));
    eventually("the participants are confirmed", async || {
        waiting(&world.service.store, Lane::Accounts).await == 0
    })
    .await;
    let words = || events.iter().map(|event| world.notification.revisions(*event).len()).sum::<usize>();
    eventually("it was asked", async || words() > 0).await;
    assert!(words() < 100, "not with all that wait: {}", words());
    world.notification.away(false);
    eventually("it heard all", async || waiting(&world.service.store, Lane::Reminders).await == 0).await;
    assert!(events.iter().all(|event| world.notification.known(*event).is_some()));
    world.service.lifecycle.drain();
    for ended in loops {
        ended.await.unwrap();
    }
}
