//! One timer, from its wish to its request.

use std::time::Duration;

use notification_service::{
    MIGRATOR,
    model::{TimerPage, TimerState},
    timer,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    receiver::{Mood, Receiver},
    world::{World, code, eventually},
};

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_timer_fires_as_a_post_to_its_address(pool: PgPool) {
    let world = World::new(pool).await;
    let engine = world.start();
    let ann = Uuid::now_v7();
    let url = format!("{}?room=1&x=%20", world.receiver.url());
    let timer = world.timer_to(ann, 1, &url).await.unwrap();
    assert_eq!((timer.time_left, timer.state), (1, TimerState::Waiting));

    world.receiver.until(1).await;
    let got = world.receiver.log().remove(0);
    let id = timer.timer_id.to_string();
    assert_eq!(got.path, format!("/hook/{id}?room=1&x=%20"));
    assert_eq!(got.header("webhook-id"), id);
    assert_eq!(got.header("content-type"), "application/json");
    assert!(got.header("webhook-signature").starts_with("v1,"));
    let body = got.json();
    assert_eq!((&body["id"], &body["type"]), (&json!(id), &json!("timer.fired")));
    assert_eq!(body["data"]["due_at"], timer.due_at.to_string());
    let at: jiff::Timestamp = body["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(got.header("webhook-timestamp"), at.as_second().to_string());

    world.until_over().await;
    let seen = world.see(ann, timer.timer_id).await;
    assert_eq!((seen.state, seen.time_left), (TimerState::Delivered, 0));
    assert_eq!((seen.attempts, seen.last_status), (1, 200));
    let late = seen.fired_at.unwrap().duration_since(seen.due_at);
    assert!(late.as_millis() >= 0 && late.as_millis() < 5000, "fired {late:?} after its time");
    engine.stop().await;
    assert_eq!(world.receiver.count(), 1);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_databases_clock_decides_and_time_left_is_rounded_up(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = Uuid::now_v7();
    let timer = world.timer(ann, 4 * 3600).await;
    world.advance(Duration::from_millis(1500)).await;
    let left = world.see(ann, timer.timer_id).await.time_left;
    assert!(left == 4 * 3600 - 1 || left == 4 * 3600 - 2, "{left}");
    let engine = world.start();
    world.advance(Duration::from_secs(4 * 3600 - 3)).await;
    eventually("the last seconds", async || world.see(ann, timer.timer_id).await.time_left <= 2).await;
    world.advance(Duration::from_secs(2)).await;
    world.receiver.until(1).await;
    world.until_over().await;
    engine.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_is_overdue_at_the_start_fires_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = Uuid::now_v7();
    for _ in 0..20 {
        world.timer(ann, 60).await;
    }
    world.advance(Duration::from_hours(65)).await;
    let began = tokio::time::Instant::now();
    let engine = world.start();
    world.receiver.until(20).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    world.until_over().await;
    engine.stop().await;
    assert_eq!(world.receiver.count(), 20);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_timer_is_taken_back_until_it_is_due(pool: PgPool) {
    let world = World::new(pool).await;
    let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let kept = world.timer(ann, 60).await.timer_id;
    let gone = world.timer(ann, 60).await.timer_id;
    assert_eq!(code(&timer::cancel(&world.service, bob, gone).await), "timer_not_found");
    assert_eq!(code(&timer::cancel(&world.service, ann, gone).await), "ok");
    assert_eq!(code(&timer::cancel(&world.service, ann, gone).await), "ok", "a repeat");
    assert_eq!(world.see(ann, gone).await.state, TimerState::Cancelled);
    world.advance(Duration::from_secs(61)).await;
    // Due, and nobody has claimed it: it is too late all the same.
    assert_eq!(world.see(ann, kept).await.state, TimerState::Delivering);
    assert_eq!(code(&timer::cancel(&world.service, ann, kept).await), "timer_fired");
    let engine = world.start();
    world.until_over().await;
    assert_eq!(code(&timer::cancel(&world.service, ann, kept).await), "timer_fired");
    engine.stop().await;
    assert_eq!(world.receiver.ids().into_iter().collect::<Vec<_>>(), [kept.to_string()]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn strangers_see_nothing_and_public_timers_are_seen_by_id(pool: PgPool) {
    let mut world = World::new(pool).await;
    let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let hers = world.timer(ann, 60).await.timer_id;
    for stranger in [Some(bob), None] {
        assert_eq!(code(&timer::get(&world.service, stranger, hers).await), "timer_not_found");
        assert_eq!(code(&timer::get(&world.service, stranger, Uuid::new_v4()).await), "timer_not_found");
    }
    assert_eq!(code(&timer::resend(&world.service, bob, hers).await), "timer_not_found");
    let new = timer::NewTimer { seconds: 60, url: world.receiver.url(), ..timer::NewTimer::default() };
    let public = timer::create(&world.service, None, &new).await.unwrap().timer_id;
    assert_eq!(code(&timer::get(&world.service, None, public).await), "timer_not_found", "not open");
    world.service.timers_public = true;
    for anybody in [Some(bob), None] {
        assert_eq!(code(&timer::get(&world.service, anybody, public).await), "ok");
        assert_eq!(code(&timer::get(&world.service, anybody, hers).await), "timer_not_found");
    }
    assert_eq!(hers.get_version_num(), 4, "unguessable");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn bad_wishes_name_their_fields(pool: PgPool) {
    let world = World::new(pool).await;
    let fields = async |seconds, url: &str| {
        let refused = world.timer_to(Uuid::now_v7(), seconds, url).await.unwrap_err();
        assert_eq!(refused.reason.as_str(), "invalid");
        refused.fields.into_iter().map(|field| field.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(0, "nonsense").await, ["seconds", "url"]);
    assert_eq!(fields(315_576_001, "https://example.com").await, ["seconds"]);
    for url in ["", "http://10.0.0.1/", "http://169.254.169.254/", "http://0x0a000001/", "ftp://example.com"]
    {
        assert_eq!(fields(1, url).await, ["url"], "{url}");
    }
    assert_eq!(world.count("select count(*) from due_work").await, 0);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn timers_are_listed_newest_first_by_pages_and_states(pool: PgPool) {
    let world = World::new(pool).await;
    let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let mut expected = Vec::new();
    for seconds in 0..7 {
        expected.insert(0, world.timer(ann, 3600 + seconds).await.timer_id);
    }
    world.timer(bob, 60).await;
    timer::cancel(&world.service, ann, expected[2]).await.unwrap();

    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = TimerPage { state: None, before, limit: 3 };
        let (timers, next) = timer::list(&world.service, ann, page).await.unwrap();
        found.extend(timers.iter().map(|timer| timer.timer_id));
        let Some(next) = next else { break };
        assert_eq!(timers.len(), 3);
        before = Some(next);
    }
    assert_eq!(found, expected);

    let count = async |state| {
        let page = TimerPage { state: Some(state), before: None, limit: 100 };
        timer::list(&world.service, ann, page).await.unwrap().0.len()
    };
    let counts = async || {
        let mut counts = Vec::new();
        for state in TimerState::ALL {
            counts.push(count(state).await);
        }
        counts
    };
    assert_eq!(counts().await, [6, 0, 0, 0, 1]);
    world.advance(Duration::from_secs(3604)).await;
    let counted = counts().await;
    assert_eq!(counted.iter().sum::<usize>(), 7);
    assert!(counted[1] >= 4 && counted[4] == 1, "{counted:?}");
    world.advance(Duration::from_mins(1)).await;
    let engine = world.start();
    world.until_over().await;
    assert_eq!(counts().await, [0, 0, 6, 0, 1]);
    engine.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_receiver_that_does_not_answer_delays_nobody_else(pool: PgPool) {
    let mut world = World::new(pool).await;
    world.at_once = (64, 4);
    let silent = Receiver::start().await;
    silent.mood(Mood::Waiting(200, std::sync::Arc::new(tokio::sync::Semaphore::new(0))));
    let ann = Uuid::now_v7();
    for _ in 0..40 {
        world.timer_to(ann, 1, &silent.url()).await.unwrap();
    }
    for _ in 0..40 {
        world.timer(ann, 2).await;
    }
    world.advance(Duration::from_secs(5)).await;
    let engine = world.start();
    world.receiver.until(40).await;
    assert_eq!(silent.count(), 4, "its limit");
    engine.kill().await;
}
