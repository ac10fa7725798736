//! Three instances of calendar-service, one of which does badly: what clients
//! hear of it, and what it hears of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gateway::upstream::Rules;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    client::{Answer, Client},
    instance::{How, Instance},
    stack::{Gateway, Stack, until},
};

/// Clients that read one after the other, each as fast as it is answered.
const CLIENTS: usize = 8;
/// Nobody is held to a budget here.
const UNLIMITED: &[&str] = &["--limit-default", "4000000"];

struct House {
    stack: Stack,
    instances: Vec<Instance>,
    gateway: Gateway,
}

/// Readers until they are told to end.
struct Load {
    end: Arc<AtomicBool>,
    readers: Vec<JoinHandle<Vec<(u16, Duration)>>>,
    /// What the instances had taken when it began.
    taken: Vec<usize>,
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    /// Answers by status.
    statuses: BTreeMap<u16, usize>,
    /// Calls that each instance took.
    taken: Vec<usize>,
}

impl House {
    async fn open() -> Self {
        Self::open_with(Rules::default()).await
    }

    async fn open_with(rules: Rules) -> Self {
        let stack = Stack::start().await;
        let mut instances = Vec::new();
        for _ in 0..3 {
            instances.push(Instance::start().await);
        }
        let urls: Vec<_> = instances.iter().map(|instance| format!("http://{}", instance.at)).collect();
        let gateway = stack.gateway_with(UNLIMITED, |config| {
            config.services.calendar = urls.join(",").parse().expect("targets");
            config.breaker = rules;
        });
        let gateway = gateway.await;
        Self { stack, instances, gateway }
    }

    fn taken(&self) -> Vec<usize> {
        self.instances.iter().map(Instance::taken).collect()
    }

    fn load(&self) -> Load {
        let end = Arc::new(AtomicBool::new(false));
        let reader = |_| {
            let (end, client) = (Arc::clone(&end), self.gateway.client());
            let token = format!("Bearer {}", self.stack.auth.person().token);
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !end.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    answers.push((read(client, &token).await.status, begun.elapsed()));
                }
                answers
            })
        };
        Load { readers: (0..CLIENTS).map(reader).collect(), end, taken: self.taken() }
    }

    async fn end(&self, load: Load) -> Outcome {
        load.end.store(true, Ordering::SeqCst);
        let mut statuses = BTreeMap::new();
        for reader in load.readers {
            for (status, _) in reader.await.expect("a reader") {
                *statuses.entry(status).or_default() += 1;
            }
        }
        let taken = self.taken().iter().zip(load.taken).map(|(now, before)| now - before).collect();
        Outcome { statuses, taken }
    }

    /// Waits until so many calls more have been taken in all.
    async fn after(&self, calls: usize) {
        let before: usize = self.taken().iter().sum();
        until("calls were made", async || self.taken().iter().sum::<usize>() >= before + calls).await;
    }

    /// Waits until the first instance takes as much as the others again.
    async fn heals(&self) {
        let (first, healed) = (self.instances[0].taken(), Instant::now());
        until("it is called again", async || self.instances[0].taken() > first + 10).await;
        assert!(healed.elapsed() < Duration::from_secs(5), "after {:?}", healed.elapsed());
    }
}

impl Outcome {
    fn asked(&self) -> usize {
        self.statuses.values().sum()
    }

    /// Nobody but the readers is told of anything: all succeed, the first
    /// instance gets no more than its share, and the others no storm.
    fn is_good(&self) -> bool {
        let (asked, taken) = (self.asked() as f64, self.taken.iter().sum::<usize>() as f64);
        let share = self.taken[0] as f64 / taken;
        self.statuses.len() == 1 && self.statuses.contains_key(&200) && share <= 0.15 && taken <= 1.2 * asked
    }
}

async fn read(client: Client, token: &str) -> Answer {
    client.get("/calendar/calendars", &[("Authorization", token)]).await
}

#[tokio::test]
async fn all_that_are_well_take_their_share() {
    let house = House::open().await;
    let load = house.load();
    house.after(600).await;
    let outcome = house.end(load).await;
    let asked = outcome.asked();
    assert_eq!(outcome.statuses, BTreeMap::from([(200, asked)]));
    assert_eq!(outcome.taken.iter().sum::<usize>(), asked);
    for taken in &outcome.taken {
        let share = *taken as f64 / asked as f64;
        assert!((0.2..0.47).contains(&share), "{outcome:?}");
    }
}

#[tokio::test]
async fn one_that_is_killed_costs_no_answer_and_is_found_again() {
    let house = House::open().await;
    let load = house.load();
    house.after(200).await;
    house.instances[0].kill();
    house.after(1_000).await;
    let outcome = house.end(load).await;
    assert!(outcome.is_good(), "{outcome:?}");
    let load = house.load();
    house.instances[0].restart().await;
    house.heals().await;
    let outcome = house.end(load).await;
    assert_eq!(outcome.statuses.keys().collect::<Vec<_>>(), [&200], "{outcome:?}");
}

#[tokio::test]
async fn one_that_is_frozen_costs_no_answer_and_is_found_again() {
    let house = House::open().await;
    let load = house.load();
    house.after(200).await;
    house.instances[0].set(How::Frozen);
    // Reads that went there come back from another one, after a second.
    sleep(Duration::from_secs(3)).await;
    house.after(1_000).await;
    let outcome = house.end(load).await;
    assert!(outcome.is_good(), "{outcome:?}");
    let load = house.load();
    house.instances[0].set(How::Well);
    house.heals().await;
    let outcome = house.end(load).await;
    assert_eq!(outcome.statuses.keys().collect::<Vec<_>>(), [&200], "{outcome:?}");
}

#[tokio::test]
async fn one_that_is_slow_gets_little_and_more_again_once_it_is_not() {
    let house = House::open().await;
    house.instances[0].set(How::After(Duration::from_millis(200)));
    let load = house.load();
    house.after(1_000).await;
    let outcome = house.end(load).await;
    assert!(outcome.is_good(), "{outcome:?}");
    house.instances[0].set(How::Well);
    let load = house.load();
    house.heals().await;
    house.end(load).await;
}

/// Calls go on for a while; one instance answers nothing but failures.
async fn failing(house: &House) -> Outcome {
    house.instances[0].set(How::Fails(Duration::ZERO));
    let load = house.load();
    house.after(1_500).await;
    house.end(load).await
}

#[tokio::test]
async fn one_that_fails_is_left_alone_and_tried_by_one_call_at_a_time() {
    let house = House::open().await;
    let load = house.load();
    house.after(200).await;
    // Long enough for a second call to be seen beside a first.
    house.instances[0].set(How::Fails(Duration::from_millis(20)));
    // Until it is left alone, calls that were on their way fail as well.
    until("it is left alone", async || {
        let taken = house.instances[0].taken();
        house.after(200).await;
        house.instances[0].taken() <= taken + 2
    })
    .await;
    house.instances[0].peak();
    let before = house.instances[0].taken();
    until("it was tried again", async || house.instances[0].taken() >= before + 3).await;
    assert_eq!(house.instances[0].peak(), 1, "one at a time");
    house.after(600).await;
    let outcome = house.end(load).await;
    assert!(outcome.is_good(), "{outcome:?}");
    let load = house.load();
    house.instances[0].set(How::Well);
    house.heals().await;
    house.end(load).await;
}

/// The control: without a breaker it goes on to get its share, every read of
/// which is made twice.
#[tokio::test]
async fn without_a_breaker_it_is_asked_again_and_again() {
    let never = Rules { failures: u32::MAX, without_success: Duration::from_hours(1), ..Rules::default() };
    let house = House::open_with(never).await;
    let outcome = failing(&house).await;
    assert!(!outcome.is_good(), "{outcome:?}");
    let house = House::open().await;
    let outcome = failing(&house).await;
    assert!(outcome.is_good(), "{outcome:?}");
}

#[tokio::test]
async fn where_all_are_gone_clients_hear_so_at_once_and_when_to_come_back() {
    let house = House::open().await;
    let token = format!("Bearer {}", house.stack.auth.person().token);
    let client = house.gateway.client();
    assert_eq!(read(client, &token).await.status, 200);
    for instance in &house.instances {
        instance.kill();
    }
    until("it is known", async || read(client, &token).await.status == 503).await;
    let mut took = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        let answer = read(client, &token).await;
        took.push(begun.elapsed());
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    took.sort();
    assert!(took[10] <= Duration::from_millis(50), "{took:?}");
    house.instances[1].restart().await;
    let back = Instant::now();
    until("one is back", async || read(client, &token).await.status == 200).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
}
