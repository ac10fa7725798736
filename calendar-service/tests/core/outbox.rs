//! The outbox: in order per key, under lease, at least once.

use std::time::Duration;

use calendar_service::{MIGRATOR, event, outbox, store::Lane};
use chassis::fault::{Fault, Reason};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    auth_double::Mood,
    world::{World, patch},
};

#[sqlx::test(migrator = "MIGRATOR")]
async fn words_about_one_event_go_in_order_and_others_do_not_wait(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let one = world.event(&ann, "Home", json!({})).await.unwrap();
    let other = world.event(&ann, "Home", json!({})).await.unwrap();
    for names in [json!(["bob"]), json!([]), json!(["bob"])] {
        event::update(&world.service, &ann, one.event_id, "*", patch(json!({ "participants": names })))
            .await
            .unwrap();
    }
    // One claim takes the head of each key only.
    let heads = world.service.store.claim_outbox(Lane::Accounts, 10, 3.0).await.unwrap();
    let mut keys: Vec<_> = heads.iter().map(|row| (row.key, row.kind.as_str())).collect();
    keys.sort_unstable();
    let mut expected = [(one.event_id, "confirm_participants"), (other.event_id, "confirm_participants")];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert!(!outbox::round(&world.service).await.unwrap(), "what is leased is nobody else's");
    world.advance(Duration::from_secs(4)).await;
    world.settle(&world.service).await;
    let records = world.auth.records(one.event_id).unwrap();
    assert_eq!((records.revision, records.accounts.len()), (4, 2));
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_refused_word_is_said_again_until_it_is_heard(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    world.auth.mood("confirm", Mood::Refusing(Fault::of(Reason::Internal)));
    let created = world.event(&ann, "Home", json!({})).await.unwrap();
    for _ in 0..5 {
        assert!(outbox::round(&world.service).await.unwrap());
        assert!(!world.auth.records(created.event_id).unwrap().confirmed);
        world.advance(Duration::from_secs(3)).await;
    }
    assert_eq!(world.auth.calls("confirm"), 5);
    world.auth.mood("confirm", Mood::Willing);
    world.settle(&world.service).await;
    assert!(world.auth.records(created.event_id).unwrap().confirmed);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn who_lost_the_lease_records_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    world.event(&ann, "Home", json!({})).await.unwrap();
    let store = &world.service.store;
    let frozen = store.claim_outbox(Lane::Accounts, 1, 3.0).await.unwrap().remove(0);
    world.advance(Duration::from_secs(4)).await;
    let awake = store.claim_outbox(Lane::Accounts, 1, 3.0).await.unwrap().remove(0);
    assert_eq!((frozen.outbox_id, frozen.fence + 1), (awake.outbox_id, awake.fence));
    let mut tx = store.begin().await.unwrap();
    assert!(!tx.outbox_delivered(&frozen).await.unwrap(), "the frozen one");
    assert!(tx.outbox_delivered(&awake).await.unwrap());
    assert!(!tx.outbox_delivered(&awake).await.unwrap(), "once");
}
