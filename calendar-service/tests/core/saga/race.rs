//! T3 against the deadline, against the undo, and against changes of membership.

use std::{sync::Arc, time::Duration};

use calendar_service::{
    MIGRATOR, calendar, member,
    model::{ChangeKind, NewChange, Role},
    saga::runner,
};
use chassis::{
    failpoint::{self, Action},
    tokens::Identity,
};
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;
use uuid::Uuid;

use super::crash::differences;
use crate::{
    auth_double::Mood,
    world::{World, code, eventually},
};

/// Bob creates an event with Carl; between Reserve and T3 `meanwhile` happens.
/// Answers what Bob hears; nothing may be left of it.
async fn between_t2_and_t3(
    pool: PgPool,
    meanwhile: impl AsyncFnOnce(&World, &Identity, &Identity, Uuid),
) -> &'static str {
    let world = World::new(pool).await;
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    world.join(&carl, "Home").await;
    let go_on = Arc::new(Notify::new());
    world.auth.mood("reserve", Mood::Waiting(Arc::clone(&go_on)));
    let create = world.event(&bob, "Home", json!({ "participants": ["carl"] }));
    let interfere = async {
        eventually("reserved", async || world.auth.events().len() == 1).await;
        meanwhile(&world, &ann, &carl, made.calendar_id).await;
        go_on.notify_one();
    };
    let (created, ()) = futures::future::join(create, interfere).await;
    world.settle(&world.service).await;
    assert_eq!(differences(&world).await, [""; 0]);
    assert_eq!(world.count("select count(*) from events").await, i64::from(created.is_ok()));
    code(&created)
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn nothing_in_between_and_it_is_there(pool: PgPool) {
    assert_eq!(between_t2_and_t3(pool, async |_, _, _, _| ()).await, "ok");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn t3_is_refused_after_the_deadline(pool: PgPool) {
    let late =
        async |world: &World, _: &Identity, _: &Identity, _| world.advance(Duration::from_secs(2)).await;
    assert_eq!(between_t2_and_t3(pool, late).await, "unavailable");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn t3_is_refused_after_somebody_undid_it(pool: PgPool) {
    let undone = async |world: &World, _: &Identity, _: &Identity, _| {
        world.advance(Duration::from_secs(2)).await;
        assert!(runner::round(&world.instance()).await.unwrap());
        assert_eq!(world.count("select count(*) from sagas where state = 'aborted'").await, 1);
    };
    assert_eq!(between_t2_and_t3(pool, undone).await, "unavailable");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_creator_who_became_a_viewer_writes_nothing(pool: PgPool) {
    let demoted = async |world: &World, ann: &Identity, _: &Identity, id| {
        member::set_role(&world.service, ann, id, "bob", Role::Viewer).await.unwrap();
    };
    assert_eq!(between_t2_and_t3(pool, demoted).await, "read_only");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_creator_who_was_removed_writes_nothing(pool: PgPool) {
    let removed = async |world: &World, ann: &Identity, _: &Identity, id| {
        member::remove(&world.service, ann, id, "bob").await.unwrap();
    };
    assert_eq!(between_t2_and_t3(pool, removed).await, "not_a_member");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_participant_who_left_is_not_in_it(pool: PgPool) {
    let left = async |world: &World, _: &Identity, carl: &Identity, _| {
        member::leave(&world.service, carl, "Home").await.unwrap();
    };
    assert_eq!(between_t2_and_t3(pool, left).await, "unavailable");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_calendar_that_is_gone_gets_nothing(pool: PgPool) {
    let gone = async |world: &World, ann: &Identity, _: &Identity, id| {
        calendar::delete(&world.service, ann, id).await.unwrap();
    };
    assert_eq!(between_t2_and_t3(pool, gone).await, "not_a_member");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn an_undo_waits_for_a_t3_that_is_committing(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    failpoint::set("saga.t3.before", Action::Hang, Some(1));
    let create = world.event(&ann, "Home", json!({}));
    let by_hand = async {
        eventually("T3", async || failpoint::left("saga.t3.before") == Some(0)).await;
        let saga_id: Uuid =
            sqlx::query_scalar("select saga_id from sagas").fetch_one(&world.pool).await.unwrap();
        let store = world.service.store.clone();
        let mut tx = store.begin().await.unwrap();
        let place = tx.enter(made.calendar_id, ann.account_id).await.unwrap().unwrap();
        let change = NewChange {
            kind: ChangeKind::EventCreated,
            by: "ann".into(),
            subject: None,
            payload: "{}".into(),
        };
        assert!(tx.confirm_saga(saga_id, &place, change).await.unwrap().is_some());
        let undo = tokio::spawn(async move { store.abort_saga(saga_id, "").await });
        eventually("the undo waits", async || {
            world.count("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()").await == 1
        })
        .await;
        tx.commit().await.unwrap();
        assert_eq!(undo.await.unwrap(), Ok(false));
    };
    let (created, ()) = futures::future::join(create, by_hand).await;
    assert_eq!(code(&created), "deadline_exceeded", "the coordinator is frozen: nobody can say");
    world.settle(&world.service).await;
    assert_eq!(differences(&world).await, [""; 0]);
    failpoint::clear("saga.t3.before");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn who_lost_the_lease_discards_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    world.calendar(&ann, "Home").await;
    world.auth.mood("reserve", Mood::Refusing(chassis::fault::Fault::unavailable("auth")));
    assert_eq!(code(&world.event(&ann, "Home", json!({})).await), "unavailable");
    let store = &world.service.store;
    let frozen = store.claim_sagas(1, 3.0).await.unwrap().remove(0);
    assert!(store.claim_sagas(1, 3.0).await.unwrap().is_empty(), "leased");
    world.advance(Duration::from_secs(4)).await;
    let awake = store.claim_sagas(1, 3.0).await.unwrap().remove(0);
    assert_eq!(frozen.fence + 1, awake.fence);
    assert_eq!(store.discard_saga(&frozen).await, Ok(false));
    assert_eq!(store.discard_saga(&awake).await, Ok(true));
    assert_eq!(store.discard_saga(&awake).await, Ok(false));
}
