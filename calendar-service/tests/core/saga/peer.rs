//! auth-service refuses, hangs, hangs after it did it, or is not there.

use std::time::Duration;

use calendar_service::{MIGRATOR, event, saga::runner, store::SagaState};
use chassis::fault::{Fault, Reason};
use serde_json::json;
use sqlx::PgPool;

use super::crash::differences;
use crate::{
    auth_double::Mood,
    world::{World, code},
};

#[sqlx::test(migrator = "MIGRATOR")]
async fn an_account_that_is_gone_is_named(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let gone = Fault::of(Reason::ParticipantUnknown).with_names(vec![bob.account_id.to_string()]);
    world.auth.mood("reserve", Mood::Refusing(gone));
    let fault = world.event(&ann, "Home", json!({ "participants": ["bob"] })).await.unwrap_err();
    assert_eq!((fault.reason, fault.names), (Reason::ParticipantUnknown, vec!["bob".to_owned()]));
    assert_eq!(
        world.count("select count(*) from sagas where state = 'aborting'").await,
        1,
        "ordered before it is said"
    );
    world.settle(&world.service).await;
    assert_eq!(differences(&world).await, [""; 0]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_peer_that_hangs_after_it_did_it_is_undone(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    world.auth.mood("reserve", Mood::HangingAfter);
    assert_eq!(code(&world.event(&ann, "Home", json!({})).await), "unavailable");
    assert_eq!(world.auth.events().len(), 1, "it did it");
    world.settle(&world.service).await;
    assert_eq!(differences(&world).await, [""; 0]);

    world.auth.mood("reserve", Mood::Willing);
    world.auth.mood("confirm", Mood::HangingAfter);
    assert_eq!(code(&world.event(&ann, "Home", json!({})).await), "ok");
    calendar_service::outbox::round(&world.service).await.unwrap();
    world.auth.mood("confirm", Mood::Willing);
    world.settle(&world.service).await;
    assert_eq!(differences(&world).await, [""; 0]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn an_undo_that_keeps_failing_is_parked_and_still_tried(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    world.auth.mood("reserve", Mood::Refusing(Fault::of(Reason::Internal)));
    world.auth.mood("release", Mood::Refusing(Fault::of(Reason::Internal)));
    assert_eq!(code(&world.event(&ann, "Home", json!({})).await), "unavailable");
    for _ in 0..20 {
        runner::round(&world.service).await.unwrap();
        world.advance(Duration::from_secs(6)).await;
    }
    let census = world.service.store.saga_census().await.unwrap();
    assert_eq!(
        census.iter().map(|(state, count, _)| (*state, *count)).collect::<Vec<_>>(),
        [(SagaState::NeedsAttention, 1)]
    );
    assert_eq!(world.count("select count(*) from events where state = 'pending'").await, 1, "not dropped");
    let tried = world.auth.calls("release");
    world.auth.mood("release", Mood::Willing);
    world.settle(&world.service).await;
    assert!(world.auth.calls("release") > tried);
    assert_eq!(differences(&world).await, [""; 0]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn nobody_reads_a_pending_event(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    world.auth.mood("reserve", Mood::HangingAfter);
    let create = world.event(&ann, "Home", json!({}));
    let watch = async {
        let mut looked = 0;
        loop {
            let pending: Option<uuid::Uuid> =
                sqlx::query_scalar("select event_id from events where state = 'pending'")
                    .fetch_optional(&world.pool)
                    .await
                    .unwrap();
            if let Some(event_id) = pending {
                assert_eq!(code(&event::get(&world.service, &ann, event_id).await), "event_not_found");
                let update =
                    event::update(&world.service, &ann, event_id, "*", crate::world::patch(json!({})));
                assert_eq!(code(&update.await), "event_not_found");
                assert_eq!(
                    code(&event::delete(&world.service, &ann, event_id, "*").await),
                    "event_not_found"
                );
                assert_eq!(code(&event::joined(&world.service, &ann, "", "", "").await), "no_events");
                let page =
                    event::page(&world.service, &ann, made.calendar_id, &event::PageRequest::default()).await;
                assert_eq!(page.unwrap().json, "[]");
                looked += 1;
                if looked == 3 {
                    break;
                }
            }
        }
    };
    let (created, ()) = futures::future::join(create, watch).await;
    assert_eq!(code(&created), "unavailable");
}
