//! A worker that is frozen past its lease, and wakes up.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::lifecycle::Lifecycle;
use notification_service::{MIGRATOR, model::TimerState};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    receiver::Mood,
    world::{World, eventually},
};

/// An instance on a thread of its own, which can be stopped dead.
struct Freezer {
    handle: tokio::runtime::Handle,
    lifecycle: Lifecycle,
    thread: std::thread::JoinHandle<()>,
    thaw: Arc<Barrier>,
}

impl Freezer {
    /// Its pool belongs to that thread as well: nothing of it goes on while it is frozen.
    fn start(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (lifecycle, handle) = (Lifecycle::new(), runtime.handle().clone());
        let options = (*world.pool.connect_options()).clone();
        let other = {
            let _inside = runtime.enter();
            World {
                pool: sqlx::postgres::PgPoolOptions::new().max_connections(6).connect_lazy_with(options),
                calendar: world.calendar.clone(),
                receiver: world.receiver.clone(),
                service: world.service.clone(),
                address: world.address.clone(),
                at_once: world.at_once,
            }
        };
        let until = lifecycle.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move { other.engine().run(until).await });
        });
        Self { handle, lifecycle, thread, thaw: Arc::new(Barrier::new(2)) }
    }

    async fn freeze(&self) {
        let (thaw, frozen) = (Arc::clone(&self.thaw), Arc::new(AtomicBool::new(false)));
        let says = Arc::clone(&frozen);
        self.handle.spawn(async move {
            says.store(true, Ordering::SeqCst);
            thaw.wait();
        });
        eventually("it is frozen", async || frozen.load(Ordering::SeqCst)).await;
    }

    fn thaw(&self) {
        self.thaw.wait();
    }
}

fn leases_lost() -> u64 {
    let metrics = chassis::telemetry::render();
    let lines = metrics.lines().filter(|line| line.starts_with("due_leases_lost_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_frozen_worker_that_wakes_up_records_nothing(pool: PgPool) {
    chassis::telemetry::recorder("test");
    let world = World::new(pool).await;
    let told = Arc::new(Semaphore::new(0));
    world.receiver.mood(Mood::Waiting(500, Arc::clone(&told)));
    let ann = Uuid::now_v7();
    let timer = world.timer(ann, 1).await.timer_id;
    world.advance(Duration::from_secs(2)).await;

    let frozen = Freezer::start(&world);
    world.receiver.until(1).await;
    frozen.freeze().await;
    let lost = leases_lost();

    // Its lease runs out, and another instance takes over.
    world.receiver.mood(Mood::Status(200));
    world.advance(Duration::from_secs(4)).await;
    let other = world.start();
    world.receiver.until(2).await;
    world.until_over().await;

    // The first request is answered at last: that it failed must not be recorded.
    told.add_permits(1);
    frozen.thaw();
    eventually("it notices", async || leases_lost() > lost).await;
    let seen = world.see(ann, timer).await;
    assert_eq!((seen.state, seen.attempts, seen.last_status), (TimerState::Delivered, 1, 200));
    assert_eq!(world.count("select count(*) from deliveries").await, 1);
    assert_eq!(world.receiver.ids().len(), 1, "a repeat has the same id");

    frozen.lifecycle.drain();
    other.stop().await;
    tokio::task::spawn_blocking(move || frozen.thread.join()).await.unwrap().unwrap();
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_slow_delivery_keeps_its_claim(pool: PgPool) {
    let world = World::new(pool).await;
    let told = Arc::new(Semaphore::new(0));
    world.receiver.mood(Mood::Waiting(200, Arc::clone(&told)));
    world.many(Uuid::now_v7(), 1, 0.0).await;
    let (one, other) = (world.start(), world.start());
    world.receiver.until(1).await;
    // A second each, more than a lease together.
    let next_at = "select (extract(epoch from next_at) * 1000000)::bigint from due_work";
    for _ in 0..4 {
        let before = world.count(next_at).await;
        eventually("a renewal", async || world.count(next_at).await > before).await;
    }
    told.add_permits(1);
    world.until_over().await;
    one.stop().await;
    other.stop().await;
    assert_eq!(world.receiver.count(), 1, "nobody else took it");
}
