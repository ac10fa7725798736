//! Instances that exist for one test: how they are is set by hand, time too.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::FutureExt as _;
use tokio::sync::watch as channel;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// An instance whose health is a switch.
struct Fake {
    health: channel::Sender<Health>,
    answers: AtomicBool,
    asked: Mutex<Vec<Instant>>,
}

impl Place for Fake {
    fn at(_: &Authority, _: &Way) -> Self {
        let health = channel::Sender::new(Health::Serving);
        Self { health, answers: AtomicBool::new(true), asked: Mutex::default() }
    }

    fn watch<'a>(&'a self, report: &'a (dyn Fn(Health) + Send + Sync)) -> BoxFuture<'a, ()> {
        async move {
            let mut health = self.health.subscribe();
            loop {
                let now = *health.borrow_and_update();
                report(now);
                if health.changed().await.is_err() {
                    return;
                }
            }
        }
        .boxed()
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        self.asked.lock().unwrap().push(Instant::now());
        std::future::ready(self.answers.load(Ordering::SeqCst)).boxed()
    }
}

/// A pool of so many, without jitter.
async fn pool(count: u16) -> Pool<Fake> {
    let targets: Vec<_> = (1..=count).map(|port| format!("http://10.0.0.1:{port}")).collect();
    let rules = Rules { jitter: 0.0, ..Rules::default() };
    let pool = Pool(Arc::new(Inner {
        service: "test",
        way: Way::plain(),
        rules,
        members: RwLock::default(),
        choice: RwLock::new(Arc::new(Choice { ready: Vec::new(), to_try: Vec::new() })),
        failfast: FailFast::new(Instant::now()),
    }));
    pool.0.replace(&Resolver::new(targets.join(",").parse().unwrap()).fixed());
    settle().await;
    pool
}

/// Lets the watches see what was set.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

fn member(pool: &Pool<Fake>, port: u16) -> Arc<Member<Fake>> {
    let found = pool.members().into_iter().find(|member| member.authority().port_u16() == Some(port));
    found.unwrap()
}

/// How often each is chosen, when calls take no time.
fn shares(pool: &Pool<Fake>, calls: usize) -> HashMap<u16, usize> {
    let mut shares = HashMap::new();
    for _ in 0..calls {
        if let Some(mut chosen) = pool.choose(true, None) {
            *shares.entry(chosen.member().authority().port_u16().unwrap()).or_default() += 1;
            chosen.succeeded();
        }
    }
    shares
}

/// Makes calls until this one has failed so often.
fn fail(pool: &Pool<Fake>, port: u16, times: usize) {
    let mut failed = 0;
    while failed < times {
        let mut chosen = pool.choose(false, None).unwrap();
        if chosen.member().authority().port_u16() == Some(port) {
            chosen.failed();
            failed += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_less_busy_of_two_is_chosen() {
    let pool = pool(3).await;
    let busy: Vec<_> = std::iter::repeat_with(|| pool.choose_for("somebody").unwrap()).take(50).collect();
    let port = busy[0].member().authority().port_u16().unwrap();
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(pool.choose(true, None).unwrap());
    }
    assert!(held.iter().all(|chosen| chosen.member().authority().port_u16() != Some(port)));
    drop((busy, held));
    assert_eq!(shares(&pool, 300).len(), 3, "idle again");
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_left_alone_then_tried_by_one_call_then_as_before() {
    let pool = pool(2).await;
    let one = member(&pool, 1);
    fail(&pool, 1, 5);
    assert_eq!(one.stand(), Stand::Open);
    assert_eq!(shares(&pool, 50), HashMap::from([(2, 50)]));
    sleep(MS * 199).await;
    assert_eq!(shares(&pool, 50), HashMap::from([(2, 50)]), "not yet");
    sleep(MS * 2).await;
    assert_eq!(one.stand(), Stand::HalfOpen);
    // Nobody tries it with a call that may not be repeated.
    assert!((0..20).all(|_| pool.choose(false, None).unwrap().member().authority().port_u16() == Some(2)));
    let mut probe = pool.choose(true, None).unwrap();
    assert_eq!(probe.member().authority().port_u16(), Some(1));
    assert_eq!(shares(&pool, 50), HashMap::from([(2, 50)]), "one at a time");
    probe.succeeded();
    drop(probe);
    assert_eq!(one.stand(), Stand::Closed);
    assert_eq!(shares(&pool, 100).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_doubles_the_wait_and_one_that_is_given_up_lets_the_next_try() {
    let pool = pool(2).await;
    fail(&pool, 1, 5);
    for wait in [200_u32, 400, 800, 1_600, 2_000, 2_000] {
        sleep(MS * (wait - 1)).await;
        assert_eq!(member(&pool, 1).stand(), Stand::Open, "{wait}");
        sleep(MS * 2).await;
        drop(pool.choose(true, None).unwrap());
        let mut probe = pool.choose(true, None).unwrap();
        assert_eq!(probe.member().authority().port_u16(), Some(1), "{wait}");
        probe.failed();
        assert_eq!(member(&pool, 1).stand(), Stand::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_is_made_to_find_out_that_nobody_answers() {
    let pool = pool(2).await;
    let one = member(&pool, 1);
    one.place().answers.store(false, Ordering::SeqCst);
    fail(&pool, 1, 5);
    let begun = Instant::now();
    sleep(MS * 7_100).await;
    let asked: Vec<_> =
        one.place().asked.lock().unwrap().iter().map(|at| at.duration_since(begun).as_millis()).collect();
    assert_eq!(asked, [200, 600, 1_400, 3_000, 5_000, 7_000]);
    assert_eq!(one.stand(), Stand::Open);
    one.place().answers.store(true, Ordering::SeqCst);
    sleep(MS * 2_000).await;
    assert_eq!(one.stand(), Stand::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_late_changes_nothing() {
    let pool = pool(1).await;
    let mut late: Vec<_> = std::iter::repeat_with(|| pool.choose(true, None).unwrap()).take(12).collect();
    for chosen in &mut late[..5] {
        chosen.failed();
    }
    sleep(MS * 201).await;
    let mut probe = pool.choose(true, None).unwrap();
    for chosen in &mut late[5..11] {
        chosen.failed();
    }
    late[11].succeeded();
    assert_eq!(member(&pool, 1).stand(), Stand::HalfOpen);
    probe.succeeded();
    assert_eq!(member(&pool, 1).stand(), Stand::Closed);
}

#[tokio::test(start_paused = true)]
async fn who_says_that_they_cannot_serve_is_asked_only_when_nobody_else_can() {
    let pool = pool(2).await;
    member(&pool, 1).place().health.send_replace(Health::NotServing);
    settle().await;
    assert_eq!(shares(&pool, 50), HashMap::from([(2, 50)]));
    member(&pool, 2).place().health.send_replace(Health::Unreachable);
    settle().await;
    assert_eq!(shares(&pool, 50), HashMap::from([(1, 50)]), "it says itself what it lacks");
    member(&pool, 1).place().health.send_replace(Health::Unreachable);
    settle().await;
    assert!(pool.choose(true, None).is_none());
    let begun = Instant::now();
    assert!(!pool.ready(begun + MS * 2_000).await);
    assert!(begun.elapsed() <= MS * 50, "{:?}", begun.elapsed());
    member(&pool, 2).place().health.send_replace(Health::Serving);
    settle().await;
    assert!(pool.ready(Instant::now()).await);
}

#[tokio::test(start_paused = true)]
async fn the_second_try_goes_to_another_one() {
    let pool = pool(3).await;
    for _ in 0..100 {
        let first = pool.choose(true, None).unwrap();
        let second = pool.choose(false, Some(first.member().authority())).unwrap();
        assert_ne!(first.member().authority(), second.member().authority());
    }
    let alone = self::pool(1).await;
    let first = alone.choose(true, None).unwrap();
    assert!(alone.choose(false, Some(first.member().authority())).is_some(), "there is no other");
}

#[tokio::test(start_paused = true)]
async fn who_stays_on_the_list_keeps_what_is_known_of_them() {
    let pool = pool(2).await;
    fail(&pool, 1, 5);
    pool.0.replace(&["10.0.0.1:1".parse().unwrap(), "10.0.0.1:3".parse().unwrap()]);
    settle().await;
    assert_eq!(member(&pool, 1).stand(), Stand::Open);
    assert_eq!(shares(&pool, 50), HashMap::from([(3, 50)]));
}
