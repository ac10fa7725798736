//! Five hundred logins at once: the queue is bounded, the rest is told to come back, and everybody else goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Result, ensure};
use futures::future::join_all;
use serde_json::json;
use system_tests::{person::PASSWORD, stack::Stack};

/// PROMISES: at once.
const LOGINS: usize = 500;
/// Hashes that run, and that wait.
const PLACES: usize = 2 + 64;
/// Reads by somebody else meanwhile.
const READS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_logins_disturb_nobody_else() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    let answered = Arc::new(AtomicUsize::new(0));
    let (begun, hashed) = (Instant::now(), metric(&stack, "auth_hash_seconds_sum"));
    let logins = (0..LOGINS).map(|_| {
        let (door, answered) = (stack.door().clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            let answer = door.post("/user/login", json!({ "username": "ann", "password": PASSWORD })).await;
            answered.fetch_add(1, Ordering::SeqCst);
            answer
        })
    });
    let logins = tokio::spawn(join_all(logins.collect::<Vec<_>>()));

    let mut overtook = 0;
    for _ in 0..READS {
        ann.get("/calendar/calendars").await?.expect(200)?;
        overtook += usize::from(answered.load(Ordering::SeqCst) < LOGINS);
        let queue = metric(&stack, "auth_hash_queue");
        ensure!(queue <= PLACES as f64, "{queue} wait");
    }
    let (mut good, mut turned_away, mut late) = (0, 0, 0);
    for login in logins.await? {
        let answer = login??;
        match answer.status {
            200 => good += 1,
            503 => {
                let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
                ensure!(seconds.is_some_and(|seconds| seconds >= 1), "{answer:?}");
                turned_away += 1;
            }
            // Waited for its turn longer than a request may take.
            504 => late += 1,
            status => anyhow::bail!("a login was answered {status}: {}", answer.text),
        }
    }
    // Two at a time: all hashes together take at most twice the time that has passed.
    let hashed = metric(&stack, "auth_hash_seconds_sum") - hashed;
    let at_a_time = hashed / begun.elapsed().as_secs_f64();
    ensure!(hashed > 0.0 && at_a_time <= 2.1, "{at_a_time} hashes at a time");
    println!(
        "{good} logged in, {turned_away} turned away, {late} too late, {overtook} of {READS} reads overtook logins"
    );
    ensure!(good > 0, "nobody got in");
    ensure!(turned_away > 0, "five hundred at once found room: the queue has no bound");
    ensure!(overtook > 0, "no read was answered before the last login");
    // Normal again at once.
    stack
        .door()
        .post("/user/login", json!({ "username": "ann", "password": PASSWORD }))
        .await?
        .expect(200)?;
    Ok(())
}

/// The value of the first series of this name.
fn metric(stack: &Stack, name: &str) -> f64 {
    let metrics = stack.metrics();
    let line = metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}
