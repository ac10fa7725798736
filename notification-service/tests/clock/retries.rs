//! What becomes of a delivery that fails.

use std::time::Duration;

use notification_service::{MIGRATOR, model::TimerState, timer};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    receiver::{Mood, Receiver, Trap},
    world::{World, code, eventually},
};

const STEPS: [f64; 7] = [5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0, 86_400.0];

async fn attempts(world: &World, account: Uuid, timer: Uuid, count: u32) {
    eventually("the next attempt", async || world.see(account, timer).await.attempts >= count).await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn it_comes_again_by_the_schedule_then_it_is_a_dead_letter_that_can_be_sent_again(pool: PgPool) {
    let world = World::new(pool).await;
    world.receiver.mood(Mood::Status(503));
    let ann = Uuid::now_v7();
    let id = world.timer(ann, 1).await.timer_id;
    let engine = world.start();
    world.advance(Duration::from_secs(2)).await;
    for (index, step) in STEPS.iter().enumerate() {
        attempts(&world, ann, id, index as u32 + 1).await;
        let seen = world.see(ann, id).await;
        assert_eq!((seen.state, seen.last_status), (TimerState::Delivering, 503));
        let wait: f64 = sqlx::query_scalar(
            "select extract(epoch from w.next_at - d.started_at)::float8 - d.duration_ms / 1000.0::float8
             from due_work w join deliveries d using (work_id) where d.attempt = w.attempts",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert!(wait >= *step && wait <= step * 1.1 + 1.0, "attempt {index}: {wait} s");
        assert_eq!(code(&timer::resend(&world.service, ann, id).await), "timer_not_failed");
        world.advance(Duration::from_secs_f64(step * 1.1 + 1.0)).await;
    }
    world.until_over().await;
    let seen = world.see(ann, id).await;
    assert_eq!((seen.state, seen.attempts), (TimerState::Failed, 8));
    let failure: String =
        sqlx::query_scalar("select max(failure) from deliveries").fetch_one(&world.pool).await.unwrap();
    assert_eq!(failure, "the receiver answers 503");

    world.receiver.mood(Mood::Status(204));
    let again = timer::resend(&world.service, ann, id).await.unwrap();
    assert_eq!(again.state, TimerState::Delivering);
    world.until_over().await;
    let seen = world.see(ann, id).await;
    assert_eq!((seen.state, seen.attempts, seen.last_status), (TimerState::Delivered, 9, 204));
    assert_eq!(code(&timer::resend(&world.service, ann, id).await), "timer_not_failed");
    assert_eq!(world.receiver.ids().len(), 1, "the same id on every attempt");
    engine.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn gone_is_gone(pool: PgPool) {
    let world = World::new(pool).await;
    world.receiver.mood(Mood::Status(410));
    let ann = Uuid::now_v7();
    let id = world.timer(ann, 1).await.timer_id;
    world.advance(Duration::from_secs(2)).await;
    let engine = world.start();
    world.until_over().await;
    let seen = world.see(ann, id).await;
    assert_eq!((seen.state, seen.attempts, seen.last_status), (TimerState::Failed, 1, 410));
    engine.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_receiver_that_was_down_gets_everything_when_it_is_back(pool: PgPool) {
    let world = World::new(pool).await;
    world.receiver.down().await;
    let ann = Uuid::now_v7();
    world.many(ann, 200, 0.0).await;
    let engine = world.start();
    eventually("every timer was tried", async || {
        world.count("select count(*) from due_work where attempts = 1 and last_status = 0").await == 200
    })
    .await;
    assert_eq!(world.count("select count(*) from due_work where state = 'open'").await, 200);
    world.receiver.up().await;
    world.advance(Duration::from_secs(6)).await;
    world.until_over().await;
    engine.stop().await;
    assert_eq!((world.receiver.count(), world.receiver.ids().len()), (200, 200));
    assert_eq!(world.count("select count(*) from due_work where state = 'done'").await, 200);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn redirects_are_not_followed_and_endless_answers_not_read(pool: PgPool) {
    let world = World::new(pool).await;
    let trap = Trap::set("127.0.0.1:0").await;
    let endless = Receiver::start().await;
    world.receiver.mood(Mood::Redirect(format!("http://{}/", trap.address)));
    endless.mood(Mood::Endless);
    let ann = Uuid::now_v7();
    let redirected = world.timer(ann, 1).await.timer_id;
    let flooded = world.timer_to(ann, 1, &endless.url()).await.unwrap().timer_id;
    world.advance(Duration::from_secs(2)).await;
    let engine = world.start();
    attempts(&world, ann, redirected, 1).await;
    attempts(&world, ann, flooded, 1).await;
    assert_eq!(world.see(ann, redirected).await.last_status, 302);
    assert_eq!(world.see(ann, flooded).await.state, TimerState::Delivered, "the status is what counts");
    assert_eq!(trap.connections(), 0);
    engine.stop().await;
}
