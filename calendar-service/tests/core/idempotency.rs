//! A repeat with the same key gets the first answer and creates nothing.

use std::{sync::Arc, time::Duration};

use calendar_service::{
    MIGRATOR,
    calendar::{self, NewCalendar},
    event,
    model::{CalendarView, EventView},
    saga::{FAILPOINTS, runner},
    service::Service,
};
use chassis::{
    failpoint::{self, Action},
    fault::{Fault, Reason},
    idempotency::{Answered, IdempotencyKey, Who},
    tokens::Identity,
};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::{
    auth_double::Mood,
    world::{World, code, event_fields, eventually},
};

const EVENTS: &str = "select count(*) from events";
const CALENDARS: &str = "select count(*) from calendars";
const SLOTS: &str = "select count(*) from idempotency";

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

async fn calendar(
    service: &Service,
    caller: &Identity,
    name: &str,
    key: &str,
) -> Result<Answered<CalendarView>, Fault> {
    let new = NewCalendar {
        calendar_name: name.to_owned(),
        calendar_password: "pw".to_owned(),
        ..NewCalendar::default()
    };
    calendar::create_once(service, caller, new, Some(&self::key(key))).await
}

async fn event(
    service: &Service,
    caller: &Identity,
    over: Value,
    key: &str,
) -> Result<Answered<EventView>, Fault> {
    event::create_once(service, caller, "Home", event_fields(over), Some(&self::key(key))).await
}

/// Ann, her calendar Home, and Bob in it.
async fn home(pool: PgPool) -> (World, Identity, Identity) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    (world, ann, bob)
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_first_answer_comes_again_also_from_another_instance(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    let first = calendar(&world.service, &ann, "Work", "k").await.unwrap();
    assert!(!first.replayed);
    let made = event(&world.service, &ann, json!({}), "k").await.unwrap();
    assert!(!made.replayed && made.answer.seq == 3, "another route has keys of its own");
    calendar::delete(&world.service, &ann, first.answer.calendar_id).await.unwrap();
    // Nothing but the database is left of the first one.
    let restarted = world.instance();
    for service in [&world.service, &restarted] {
        assert_eq!(calendar(service, &ann, "Work", "k").await, Ok(Answered::again(first.answer.clone())));
        assert_eq!(event(service, &ann, json!({}), "k").await, Ok(Answered::again(made.answer.clone())));
    }
    assert_eq!((world.count(CALENDARS).await, world.count(EVENTS).await), (2, 1));
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn another_body_is_refused_and_another_account_is_not_concerned(pool: PgPool) {
    let (world, ann, bob) = home(pool).await;
    event(&world.service, &ann, json!({}), "k").await.unwrap();
    for over in [json!({ "event_name": "Lunch" }), json!({ "reminders": [] }), json!({ "event_end": null })] {
        assert_eq!(code(&event(&world.service, &ann, over, "k").await), "idempotency_mismatch");
    }
    let other =
        NewCalendar { calendar_name: "Work".into(), calendar_password: "1".into(), ..Default::default() };
    calendar::create_once(&world.service, &ann, other.clone(), Some(&key("c"))).await.unwrap();
    let password = NewCalendar { calendar_password: "2".into(), ..other };
    let refused = calendar::create_once(&world.service, &ann, password, Some(&key("c"))).await;
    assert_eq!(code(&refused), "idempotency_mismatch");
    let bobs = event(&world.service, &bob, json!({ "event_name": "Lunch" }), "k").await.unwrap();
    assert!(!bobs.replayed && bobs.answer.created_by == "bob");
    assert_eq!(world.count(EVENTS).await, 2);
}

/// How many events there are of 50 requests at once, and of whom each heard what.
async fn fifty(pool: PgPool, key: Option<IdempotencyKey>) -> (i64, Vec<Result<Answered<EventView>, Fault>>) {
    let (world, ann, _) = home(pool).await;
    let services = [world.instance(), world.instance()];
    let tries = (0..50).map(|n| {
        let fields = event_fields(json!({}));
        event::create_once(&services[n % 2], &ann, "Home", fields, key.as_ref())
    });
    let heard = join_all(tries).await;
    world.settle(&world.service).await;
    (world.count(EVENTS).await, heard)
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn fifty_at_once_make_one_row(pool: PgPool) {
    let (events, heard) = fifty(pool, Some(key("k"))).await;
    assert_eq!(events, 1);
    let mut answers = heard.iter().filter_map(|heard| heard.as_ref().ok());
    let first: Vec<_> = answers.clone().filter(|answer| !answer.replayed).collect();
    assert_eq!(first.len(), 1, "{heard:?}");
    assert!(answers.all(|answer| answer.answer == first[0].answer));
    assert!(heard.iter().all(|heard| ["ok", "idempotency_in_flight"].contains(&code(heard))), "{heard:?}");
}

/// The negative control: where the key is not heeded, the same count is another.
#[sqlx::test(migrator = "MIGRATOR")]
async fn fifty_at_once_without_a_key_make_more(pool: PgPool) {
    let (events, heard) = fifty(pool, None).await;
    assert!(events > 1, "{events}");
    assert!(events >= heard.iter().filter(|heard| heard.is_ok()).count() as i64);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn while_the_first_is_in_flight_a_repeat_is_told_so(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    let go_on = Arc::new(Notify::new());
    world.auth.mood("reserve", Mood::Waiting(Arc::clone(&go_on)));
    let repeat = async {
        eventually("the saga runs", async || world.auth.events().len() == 1).await;
        assert_eq!(code(&event(&world.service, &ann, json!({}), "k").await), "idempotency_in_flight");
        let other = event(&world.service, &ann, json!({ "event_name": "Lunch" }), "k").await;
        assert_eq!(code(&other), "idempotency_mismatch");
        go_on.notify_one();
    };
    let (first, ()) = futures::future::join(event(&world.service, &ann, json!({}), "k"), repeat).await;
    let again = event(&world.service, &ann, json!({}), "k").await;
    assert_eq!(again, first.map(|first| Answered::again(first.answer)));

    // A transaction that is open: its lock says so.
    let (body, key) = (("Work", "pw", "", ""), key("c"));
    let idempotency = world.service.store.idempotency();
    let claim = idempotency.claim(Who::Account(ann.account_id), "create_calendar", Some(&key), &body);
    let claim = claim.await.unwrap().unwrap();
    let mut tx = world.service.store.begin().await.unwrap();
    assert_eq!(tx.enter_claim::<CalendarView>(&claim).await, Ok(None));
    assert_eq!(code(&calendar(&world.service, &ann, "Work", "c").await), "idempotency_in_flight");
    drop(tx);
    eventually("it is free again", async || calendar(&world.service, &ann, "Work", "c").await.is_ok()).await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_key_is_new_again_after_24_hours_by_the_databases_clock(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    let first = event(&world.service, &ann, json!({}), "k").await.unwrap();
    world.advance(Duration::from_hours(24) - Duration::from_mins(1)).await;
    assert_eq!(event(&world.service, &ann, json!({}), "k").await, Ok(Answered::again(first.answer.clone())));
    assert_eq!(world.service.store.idempotency().sweep(100).await, Ok(0));
    world.advance(Duration::from_mins(2)).await;
    // Swept or not.
    let second = event(&world.service, &ann, json!({}), "k").await.unwrap();
    assert!(!second.replayed && second.answer.event_id != first.answer.event_id);
    world.advance(Duration::from_hours(25)).await;
    assert_eq!(world.service.store.idempotency().sweep(100).await, Ok(1));
    assert_eq!(world.count(SLOTS).await, 0);
    assert!(!event(&world.service, &ann, json!({}), "k").await.unwrap().replayed);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_crash_between_commit_and_answer_changes_nothing(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    failpoint::set("create_calendar.committed", Action::Hang, Some(1));
    let doomed = tokio::spawn({
        let (service, ann) = (world.instance(), ann.clone());
        async move { calendar(&service, &ann, "Work", "k").await }
    });
    eventually("committed", async || failpoint::left("create_calendar.committed") == Some(0)).await;
    doomed.abort();
    let again = calendar(&world.instance(), &ann, "Work", "k").await.unwrap();
    assert!(again.replayed);
    let listed = calendar::list(&world.service, &ann).await.unwrap();
    assert!(listed.contains(&again.answer), "{listed:?}");
}

/// The instance dies at a point of the saga's way forward; when what is left of
/// it is over, the request is repeated. How many events there are more.
async fn dies_at(world: &World, ann: &Identity, point: &'static str, key: Option<&IdempotencyKey>) -> i64 {
    let before = world.count(EVENTS).await;
    failpoint::set(point, Action::Hang, Some(1));
    let doomed = world.instance();
    let background = [
        tokio::spawn(runner::run(doomed.clone())),
        tokio::spawn(calendar_service::outbox::run(doomed.clone())),
    ];
    let caller = tokio::spawn({
        let (doomed, ann, key) = (doomed.clone(), ann.clone(), key.cloned());
        async move { event::create_once(&doomed, &ann, "Home", event_fields(json!({})), key.as_ref()).await }
    });
    eventually(point, async || failpoint::left(point) == Some(0)).await;
    doomed.lifecycle.abort();
    background.iter().for_each(tokio::task::JoinHandle::abort);
    let _ = caller.await.unwrap();
    failpoint::clear(point);
    world.settle(&world.service).await;
    let repeat = event::create_once(&world.service, ann, "Home", event_fields(json!({})), key).await;
    assert_eq!(code(&repeat), "ok", "{point}");
    world.settle(&world.service).await;
    world.count(EVENTS).await - before
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn wherever_the_saga_dies_a_repeat_ends_with_one_event(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    for point in FAILPOINTS.into_iter().take(10) {
        assert_eq!(dies_at(&world, &ann, point, Some(&key(point))).await, 1, "{point}");
    }
}

/// The negative control: without a key the same crash makes two.
#[sqlx::test(migrator = "MIGRATOR")]
async fn without_a_key_a_crash_after_the_commit_makes_two(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    assert_eq!(dies_at(&world, &ann, "saga.t3.after", None).await, 2);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_was_undone_is_tried_again(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    world.auth.mood("reserve", Mood::Refusing(Fault::unavailable("auth")));
    assert_eq!(code(&event(&world.service, &ann, json!({}), "k").await), "unavailable");
    assert_eq!(world.count(SLOTS).await, 0, "free with the order to undo, before it is undone");
    world.auth.mood("reserve", Mood::Willing);
    let made = event(&world.service, &ann, json!({}), "k").await.unwrap();
    assert!(!made.replayed);
    world.settle(&world.service).await;
    assert_eq!(world.count(EVENTS).await, 1);
    assert_eq!(event(&world.service, &ann, json!({}), "k").await, Ok(Answered::again(made.answer)));
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_definite_refusal_is_an_answer_and_another_is_not(pool: PgPool) {
    let (world, ann, _) = home(pool).await;
    let eve = World::person("eve");
    assert_eq!(code(&event(&world.service, &eve, json!({}), "k").await), "not_a_member");
    world.join(&eve, "Home").await;
    let again = event(&world.service, &eve, json!({}), "k").await.unwrap_err();
    assert_eq!((again.reason, again.replayed), (Reason::NotAMember, true));
    assert!(event(&world.service, &eve, json!({}), "l").await.is_ok(), "another key is another request");

    let gone = Fault::of(Reason::ParticipantUnknown).with_names(vec![eve.account_id.to_string()]);
    world.auth.mood("reserve", Mood::Refusing(gone));
    let with_eve = json!({ "participants": ["eve"] });
    let refused = event(&world.service, &ann, with_eve.clone(), "p").await.unwrap_err();
    assert_eq!((refused.reason, &*refused.names), (Reason::ParticipantUnknown, &["eve".to_owned()][..]));
    world.auth.mood("reserve", Mood::Willing);
    assert_eq!(event(&world.service, &ann, with_eve, "p").await, Err(refused.as_replay()));

    assert_eq!(code(&calendar(&world.service, &eve, "HOME", "t").await), "calendar_name_taken");
    assert!(calendar(&world.service, &eve, "HOME", "t").await.unwrap_err().replayed);
    // What is invalid may be put right under the same key.
    assert_eq!(code(&calendar(&world.service, &ann, "", "i").await), "invalid");
    assert!(calendar(&world.service, &ann, "Work", "i").await.is_ok());
}
