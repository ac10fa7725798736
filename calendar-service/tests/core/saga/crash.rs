//! Every crash point × {kill, refusal}: the instance dies (its tasks are
//! dropped) or the step fails; another instance over the same database ends
//! what is left.

use std::collections::HashSet;

use calendar_service::{
    MIGRATOR, event, outbox,
    saga::{FAILPOINTS, runner},
    service::Service,
    store::Lane,
};
use chassis::{
    failpoint::{self, Action},
    fault::{Fault, Reason},
    tokens::Identity,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    auth_double::Mood,
    world::{World, code, event_fields, eventually},
};

/// What is wrong with the two databases together; nothing, if all is well.
pub(crate) async fn differences(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let visible = "select event_id, participants from events where state = 'confirmed'";
    let visible: Vec<(Uuid, Vec<Uuid>)> = sqlx::query_as(visible).fetch_all(&world.pool).await.unwrap();
    for (event_id, participants) in &visible {
        let recorded = world.auth.records(*event_id).map(|records| (records.accounts, records.confirmed));
        if recorded != Some((participants.iter().copied().collect(), true)) {
            wrong.push(format!("event {event_id} is visible, its records are {recorded:?}"));
        }
    }
    let visible: HashSet<_> = visible.into_iter().map(|(event_id, _)| event_id).collect();
    wrong.extend(
        world.auth.events().difference(&visible).map(|event_id| format!("records of {event_id} are orphans")),
    );
    let pending = world.count("select count(*) from events where state = 'pending'").await;
    let logged = world.count("select count(*) from calendar_changes where kind = 'event_created'").await;
    if pending != 0 || logged != visible.len() as i64 {
        wrong.push(format!("{pending} events are pending, {logged} of {} are in the log", visible.len()));
    }
    wrong
}

/// Whether the point lies on the way back.
fn is_back(point: &str) -> bool {
    ["saga.abort", "saga.release", "saga.discard"].iter().any(|step| point.starts_with(step))
}

/// An instance with its background work.
fn start(service: &Service) -> [tokio::task::JoinHandle<()>; 2] {
    [tokio::spawn(runner::run(service.clone())), tokio::spawn(outbox::run(service.clone(), Lane::Accounts))]
}

async fn create(service: &Service, ann: &Identity) -> &'static str {
    let fields = event_fields(json!({ "participants": ["bob"] }));
    let read = event::create(service, ann, "Home", fields).await;
    code(&read)
}

/// One run with one point armed; answers what the caller heard.
async fn run(world: &World, ann: &Identity, point: &str, action: Action) -> &'static str {
    if is_back(point) {
        let gone = Fault::of(Reason::ParticipantUnknown);
        world.auth.mood("reserve", Mood::Refusing(gone));
    }
    failpoint::set(point, action, Some(1));
    let doomed = world.instance();
    let work = start(&doomed);
    let caller = tokio::spawn({
        let (doomed, ann) = (doomed.clone(), ann.clone());
        async move { create(&doomed, &ann).await }
    });
    eventually(point, async || failpoint::left(point) == Some(0)).await;
    let heard = if action == Action::Hang {
        doomed.lifecycle.abort();
        work.iter().for_each(tokio::task::JoinHandle::abort);
        caller.await.unwrap()
    } else {
        let heard = caller.await.unwrap();
        work.iter().for_each(tokio::task::JoinHandle::abort);
        heard
    };
    world.auth.mood("reserve", Mood::Willing);
    failpoint::clear(point);
    heard
}

async fn every_point(pool: PgPool, action: Action) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    for point in FAILPOINTS {
        let before = world.count("select count(*) from events where state = 'confirmed'").await;
        let heard = run(&world, &ann, point, action).await;
        world.settle(&world.instance()).await;
        let after = world.count("select count(*) from events where state = 'confirmed'").await;
        let (there, not_there) = (after == before + 1, after == before);
        match heard {
            "ok" => assert!(there, "{point}: said to be there"),
            "deadline_exceeded" => assert!(there || not_there, "{point}"),
            "unavailable" | "participant_unknown" => assert!(not_there, "{point}: said to be undone"),
            other => panic!("{point}: {other}"),
        }
        assert_eq!(differences(&world).await, [""; 0], "{point}");
    }
    assert_eq!(world.count("select count(*) from sagas where state = 'needs_attention'").await, 0);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn killed_at_every_point(pool: PgPool) {
    every_point(pool, Action::Hang).await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn refused_at_every_point(pool: PgPool) {
    every_point(pool, Action::Refuse).await;
}

/// The negative control: with a peer that does not release, the check is red.
#[sqlx::test(migrator = "MIGRATOR")]
async fn an_orphan_is_noticed(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    world.auth.mood("release", Mood::Lying);
    assert_eq!(run(&world, &ann, "saga.reserve.after", Action::Refuse).await, "unavailable");
    world.settle(&world.instance()).await;
    assert_eq!(differences(&world).await.len(), 1);
}
