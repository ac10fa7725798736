//! The promise of timers as a ledger: 10,000 due in a window, workers killed 50
//! times. Lost 0; without a fault exactly 10,000 requests. The negative control
//! records before it posts, as the timers' source does, and loses.

use std::collections::HashSet;

use notification_service::MIGRATOR;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    receiver::Mood,
    world::{Running, World, eventually},
};

/// What the database and the receiver say in the end.
#[derive(Debug)]
struct Outcome {
    /// Timers that are recorded as delivered.
    delivered: usize,
    /// Recorded as delivered, and never received.
    lost: usize,
    /// Received, and never planned.
    unexpected: usize,
    /// Requests over one for a timer.
    repeated: usize,
}

/// Timers due within so many seconds. Two instances at a time; every so many requests one of them is killed,
/// and another one starts.
async fn run(world: &World, (timers, within): (usize, f64), kills: usize, record_first: bool) -> Outcome {
    let start = || {
        let engine = world.engine();
        Running::start(if record_first { engine.recording_first() } else { engine })
    };
    world.many(Uuid::now_v7(), timers as i32, within).await;
    let planned: HashSet<String> = ids(world, "select work_id from due_work").await;
    let mut instances = [start(), start()];
    for kill in 1..=kills {
        world.receiver.until(timers * kill / (kills * 2)).await;
        let old = std::mem::replace(&mut instances[kill % 2], start());
        old.kill().await;
    }
    world.until_over().await;
    for instance in instances {
        instance.stop().await;
    }
    let received = world.receiver.ids();
    let delivered = ids(world, "select work_id from due_work where state = 'done'").await;
    Outcome {
        delivered: delivered.len(),
        lost: delivered.difference(&received).count(),
        unexpected: received.difference(&planned).count(),
        repeated: world.receiver.count() - received.len(),
    }
}

async fn ids(world: &World, sql: &'static str) -> HashSet<String> {
    let ids: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
    ids.into_iter().map(|id| id.to_string()).collect()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn ten_thousand_timers_survive_fifty_kills(pool: PgPool) {
    let mut world = World::new(pool).await;
    world.at_once = (48, 48);
    let outcome = run(&world, (10_000, 2.0), 50, false).await;
    assert_eq!((outcome.delivered, outcome.lost, outcome.unexpected), (10_000, 0, 0), "{outcome:?}");
    assert!(outcome.repeated > 0 && outcome.repeated <= 50 * 48, "the kills hit nothing: {outcome:?}");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn recording_before_the_post_loses_some(pool: PgPool) {
    let mut world = World::new(pool).await;
    world.at_once = (24, 24);
    // About one kill in ten hits between a record and its request: with a hundred of them none does not happen.
    let outcome = run(&world, (3000, 0.0), 100, true).await;
    assert!(outcome.lost > 0, "the negative control is green: {outcome:?}");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn four_workers_on_one_burst_double_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    world.many(Uuid::now_v7(), 4000, 0.0).await;
    let workers = [world.start(), world.start(), world.start(), world.start()];
    world.until_over().await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!((world.receiver.count(), world.receiver.ids().len()), (4000, 4000));
    assert_eq!(world.count("select count(*) from deliveries where status = 200").await, 4000);
    assert_eq!(world.count("select max(attempts)::bigint from due_work").await, 1);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn lateness_stays_small_at_a_steady_rate(pool: PgPool) {
    let world = World::new(pool).await;
    world.many(Uuid::now_v7(), 600, 2.0).await;
    let engine = world.start();
    world.until_over().await;
    engine.stop().await;
    assert_eq!(world.receiver.count(), 600);
    let late: f64 = sqlx::query_scalar(
        "select percentile_cont(0.99) within group (order by extract(epoch from fired_at - due_at)::float8)
         from due_work",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert!(late < 1.0, "p99 of lateness is {late} s");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_runs_at_a_drain_is_finished_and_recorded(pool: PgPool) {
    let world = World::new(pool).await;
    let told = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    world.receiver.mood(Mood::Waiting(200, std::sync::Arc::clone(&told)));
    world.many(Uuid::now_v7(), 20, 0.0).await;
    let engine = world.start();
    world.receiver.until(20).await;
    let ending = tokio::spawn(engine.stop());
    told.add_permits(20);
    ending.await.unwrap();
    assert_eq!(world.count("select count(*) from due_work where state = 'done'").await, 20);
    eventually("no request more", async || world.receiver.count() == 20).await;
}
