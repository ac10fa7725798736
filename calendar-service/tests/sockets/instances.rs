//! Several instances on one database and one Redis are one system: one order,
//! one presence, one count of sockets; and where Redis is not, the log is.

use std::{sync::Arc, time::Duration};

use calendar_service::{
    bus::{Feed, Heard, Publication, RedisBus, RoomBus},
    socket::{BroadcastScope, SocketLimits},
};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{
    sync::broadcast,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    client::{Client, SOON},
    house::{House, Person, Plan},
    redis_server::{LOOK, RedisServer},
};

/// A publication waits for Redis this long.
const PUBLISH_WITHIN: Duration = Duration::from_millis(250);
/// Never, within a test.
const NEVER: Duration = Duration::from_hours(1);

/// Waits for a condition.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            sleep(LOOK).await;
        }
    };
    timeout(SOON, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// The logs are read only when the bus says that something was missed.
fn without_polls() -> Plan {
    let limits = SocketLimits { look_every: NEVER, look_often: NEVER, ..SocketLimits::default() };
    Plan { limits, ..Plan::default() }
}

/// One of several instances.
pub(crate) async fn instance(pool: &PgPool, plan: Plan, redis: &RedisServer) -> House {
    let url = redis.url();
    let house = House::open_on(pool, plan, |lifecycle| RedisBus::start(&url, lifecycle).unwrap()).await;
    works(&house).await;
    house
}

async fn works(house: &House) {
    until("the bus works", async || house.service.bus.is_healthy()).await;
}

async fn is_away(house: &House) {
    until("the bus does not work", async || !house.service.bus.is_healthy()).await;
}

/// A message for "Home".
pub(crate) fn message(text: &str) -> Value {
    json!({ "type": "message", "calendar_name": "Home", "message": text })
}

/// The frames of the log that a client hears, up to this seq.
async fn log_until(client: &mut Client, last: i64) -> Vec<i64> {
    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        heard.extend(client.next().await["seq"].as_i64());
    }
    heard
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn members_on_different_instances_see_one_order_under_load(pool: PgPool) {
    const EACH: i64 = 50;
    let redis = RedisServer::start().await;
    let (one, two) =
        (instance(&pool, without_polls(), &redis).await, instance(&pool, without_polls(), &redis).await);
    let ann = Person::new("ann");
    let calendar_id = one.calendar(&ann, "Home").await;
    let mut clients = Vec::new();
    for n in 0..8 {
        let person = Person::new(&format!("p{n}"));
        one.admit(calendar_id, &person).await;
        let house = if n % 2 == 0 { &one } else { &two };
        clients.push(house.join(&person, "Home").await);
    }
    let start = one.last_seq(calendar_id).await;
    let last = start + 8 * EACH;
    let talking = clients.iter_mut().enumerate().map(|(n, client)| async move {
        for i in 0..EACH {
            client.post(&message(&format!("{n}/{i}"))).await;
        }
        let mut heard = Vec::new();
        while heard.len() < 8 * EACH as usize {
            let frame = client.next().await;
            if frame["type"] == "message" {
                heard.push((frame["seq"].as_i64().unwrap(), frame["message"].as_str().unwrap().to_owned()));
            }
        }
        heard
    });
    let heard = timeout(SOON, join_all(talking)).await.unwrap();
    assert_eq!(
        heard[0].iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
        (start + 1..=last).collect::<Vec<_>>()
    );
    assert!(heard.iter().all(|other| *other == heard[0]), "the same order for all");
    for n in 0..8 {
        let own = heard[0].iter().filter_map(|(_, text)| text.strip_prefix(&format!("{n}/")));
        assert!(
            own.eq((0..EACH).map(|i| i.to_string()).collect::<Vec<_>>()),
            "each in the order they said it"
        );
    }
}

/// A copy that is late is waited for, and one that never comes is read.
#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_copy_that_does_not_come_is_read_from_the_log(pool: PgPool) {
    let redis = RedisServer::start().await;
    let (one, two) =
        (instance(&pool, without_polls(), &redis).await, instance(&pool, without_polls(), &redis).await);
    let ann = Person::new("ann");
    let calendar_id = one.calendar(&ann, "Home").await;
    let (mut here, mut there) = (one.join(&ann, "Home").await, two.join(&ann, "Home").await);
    let start = one.last_seq(calendar_id).await;
    // The gap is before what another instance says, then before what this one says.
    one.append(calendar_id, &["lost".to_owned()], false).await;
    one.append(calendar_id, &["told".to_owned()], true).await;
    for client in [&mut here, &mut there] {
        assert_eq!(log_until(client, start + 2).await, [start + 1, start + 2]);
    }
    one.append(calendar_id, &["lost".to_owned()], false).await;
    there.ask(&message("said")).await.unwrap();
    for client in [&mut here, &mut there] {
        assert_eq!(log_until(client, start + 4).await, [start + 3, start + 4]);
    }
}

/// What became of Redis while things were said.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Killed,
    Frozen,
}

/// Says things on one instance while Redis is away, and lets it come back.
async fn outage(redis: &mut RedisServer, one: &House, two: &House, fault: Fault) -> i64 {
    let calendar_id = one.service.store.calendar_named("home").await.unwrap().unwrap();
    match fault {
        Fault::Killed => redis.kill().await,
        Fault::Frozen => redis.freeze(),
    }
    is_away(one).await;
    is_away(two).await;
    let texts: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    one.append(calendar_id, &texts, true).await;
    // A publication that finds Redis again in time is not lost: this is longer.
    sleep(PUBLISH_WITHIN * 2).await;
    match fault {
        Fault::Killed => redis.restart().await,
        Fault::Frozen => redis.thaw(),
    }
    works(one).await;
    works(two).await;
    one.last_seq(calendar_id).await
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_redis_lost_is_read_from_the_log_when_it_is_back(pool: PgPool) {
    let mut redis = RedisServer::start().await;
    let (one, two) =
        (instance(&pool, without_polls(), &redis).await, instance(&pool, without_polls(), &redis).await);
    let ann = Person::new("ann");
    one.calendar(&ann, "Home").await;
    let mut client = two.join(&ann, "Home").await;
    for fault in [Fault::Killed, Fault::Frozen] {
        let last = outage(&mut redis, &one, &two, fault).await;
        assert_eq!(log_until(&mut client, last).await, (last - 19..=last).collect::<Vec<_>>());
    }
}

/// The control: an instance that does not read the log when the bus is back
/// stays behind until something else is said.
#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn without_that_the_room_stays_behind(pool: PgPool) {
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    let one = instance(&pool, without_polls(), &redis).await;
    let two = House::open_on(&pool, without_polls(), |lifecycle| {
        Arc::new(Trusting(RedisBus::start(&url, lifecycle).unwrap()))
    });
    let two = two.await;
    works(&two).await;
    let ann = Person::new("ann");
    one.calendar(&ann, "Home").await;
    let (mut here, mut there) = (one.connect(&ann).await, two.join(&ann, "Home").await);
    let last = outage(&mut redis, &one, &two, Fault::Killed).await;
    // What is in no log may be lost by a bus that is just back, and is said again.
    let patience = tokio::time::Instant::now() + SOON;
    while timeout(Duration::from_secs(1), async {
        here.ask(&json!({ "type": "message", "message": "the bus works" })).await.unwrap();
        while there.until("message").await["message"] != "the bus works" {}
    })
    .await
    .is_err()
    {
        assert!(tokio::time::Instant::now() < patience, "the bus does not work");
    }
    assert_eq!(there.heard(&["message"]).await, Vec::<Value>::new(), "twenty were said");
    here.ask(&json!({ "type": "join_calendar", "calendar_name": "Home" })).await.unwrap();
    here.ask(&message("next")).await.unwrap();
    assert_eq!(log_until(&mut there, last + 1).await, (last - 19..=last + 1).collect::<Vec<_>>());
}

/// Believes that the bus loses nothing.
struct Trusting(Arc<RedisBus>);

impl RoomBus for Trusting {
    fn instance(&self) -> Uuid {
        self.0.instance()
    }

    fn publish(&self, publication: Publication) {
        self.0.publish(publication);
    }

    fn forward(&self, publication: Publication) {
        self.0.forward(publication);
    }

    fn subscribe(&self) -> Feed {
        let (sender, feed) = broadcast::channel(4096);
        let mut all = self.0.subscribe();
        tokio::spawn(async move {
            while let Ok(heard) = all.recv().await {
                if matches!(heard, Heard::Said { .. }) && sender.send(heard).is_err() {
                    return;
                }
            }
        });
        feed
    }

    fn is_healthy(&self) -> bool {
        self.0.is_healthy()
    }

    fn has_others(&self) -> bool {
        true
    }

    fn close(&self) {}
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn while_redis_is_away_the_logs_are_looked_at_every_second(pool: PgPool) {
    let mut redis = RedisServer::start().await;
    let (one, two) =
        (instance(&pool, Plan::default(), &redis).await, instance(&pool, Plan::default(), &redis).await);
    let ann = Person::new("ann");
    let calendar_id = one.calendar(&ann, "Home").await;
    let (mut here, mut there) = (one.join(&ann, "Home").await, two.join(&ann, "Home").await);
    redis.kill().await;
    is_away(&two).await;
    for n in 0..3 {
        here.ask(&message(&n.to_string())).await.unwrap();
        let last = one.last_seq(calendar_id).await;
        let heard = timeout(Duration::from_millis(2_500), log_until(&mut there, last)).await;
        assert_eq!(heard.expect("a look every second"), [last]);
    }
}

/// Instances that forget a silent one soon.
fn attentive() -> Plan {
    let limits = SocketLimits { roster_every: Duration::from_secs(1), ..SocketLimits::default() };
    Plan { limits, ..Plan::default() }
}

async fn presence(client: &mut Client) -> (String, bool) {
    let frame = client.until("presence").await;
    (frame["username"].as_str().unwrap().to_owned(), frame["online"].as_bool().unwrap())
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn an_account_is_online_while_it_is_connected_anywhere(pool: PgPool) {
    let redis = RedisServer::start().await;
    let (one, two) = (instance(&pool, attentive(), &redis).await, instance(&pool, attentive(), &redis).await);
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let calendar_id = one.calendar(&ann, "Home").await;
    one.admit(calendar_id, &bob).await;
    let mut watcher = one.join(&ann, "Home").await;

    let first = two.join(&bob, "Home").await;
    assert_eq!(presence(&mut watcher).await, ("bob".to_owned(), true));
    // On the other instance nobody comes, and nobody goes while he is there.
    let second = one.join(&bob, "Home").await;
    drop(first);
    until("the other instance has noticed", async || two.sockets.count() == 0).await;
    let mut third = two.connect(&bob).await;
    third.ask(&json!({ "type": "join_calendar", "calendar_name": "Home" })).await.unwrap();
    assert_eq!(third.until("joined").await["members_online"], json!(["ann", "bob"]));
    assert_eq!(watcher.heard(&["presence"]).await, Vec::<Value>::new());
    drop((second, third));
    assert_eq!(presence(&mut watcher).await, ("bob".to_owned(), false));

    // Who comes to an instance that has just started finds who is elsewhere.
    let three = instance(&pool, attentive(), &redis).await;
    until("a roster has come", async || {
        let mut late = three.connect(&bob).await;
        late.ask(&json!({ "type": "join_calendar", "calendar_name": "Home" })).await.unwrap();
        late.until("joined").await["members_online"] == json!(["ann", "bob"])
    })
    .await;
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_killed_instance_is_forgotten_and_a_missing_redis_forgets_nobody(pool: PgPool) {
    let mut redis = RedisServer::start().await;
    let (one, two) = (instance(&pool, attentive(), &redis).await, instance(&pool, attentive(), &redis).await);
    let (ann, bob, eve) = (Person::new("ann"), Person::new("bob"), Person::new("eve"));
    let calendar_id = one.calendar(&ann, "Home").await;
    for person in [&bob, &eve] {
        one.admit(calendar_id, person).await;
    }
    let mut watcher = one.join(&ann, "Home").await;
    let _bob = two.join(&bob, "Home").await;
    assert_eq!(presence(&mut watcher).await, ("bob".to_owned(), true));
    redis.kill().await;
    is_away(&one).await;
    // Longer than the silence that a killed one is allowed.
    let gone = timeout(Duration::from_secs(4), watcher.until("presence")).await;
    assert!(gone.is_err(), "nobody can be heard, so nobody is gone: {gone:?}");
    redis.restart().await;
    works(&one).await;
    works(&two).await;
    // No goodbye: what runs is dropped.
    two.service.lifecycle.abort();
    assert_eq!(presence(&mut watcher).await, ("bob".to_owned(), false));
    let _eve = one.join(&eve, "Home").await;
    assert_eq!(presence(&mut watcher).await, ("eve".to_owned(), true));
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_is_said_to_everybody_is_heard_on_every_instance(pool: PgPool) {
    let redis = RedisServer::start().await;
    for (scope, heard_by_eve) in [(BroadcastScope::Everyone, 1), (BroadcastScope::Shared, 0)] {
        let plan = || Plan { scope, ..Plan::default() };
        let (one, two) = (instance(&pool, plan(), &redis).await, instance(&pool, plan(), &redis).await);
        let (ann, bob, eve) = (Person::new("ann"), Person::new("bob"), Person::new("eve"));
        let calendar_id = one.calendar(&ann, &format!("{scope:?}")).await;
        one.admit(calendar_id, &bob).await;
        let (mut here, mut there) = (one.connect(&ann).await, two.connect(&bob).await);
        let mut stranger = two.connect(&eve).await;
        here.ask(&json!({ "type": "message", "message": "hello" })).await.unwrap();
        let frame = there.until("message").await;
        assert_eq!((&frame["message"], &frame["by"]), (&json!("hello"), &json!("ann")));
        assert_eq!(here.until("message").await["message"], "hello", "the sender hears it, once");
        assert_eq!(here.heard(&["message"]).await.len(), 0);
        assert_eq!(there.heard(&["message"]).await.len(), 0);
        assert_eq!(stranger.heard(&["message"]).await.len(), heard_by_eve);
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn sockets_of_an_account_are_counted_over_all_instances(pool: PgPool) {
    let redis = RedisServer::start().await;
    let (one, two) =
        (instance(&pool, Plan::default(), &redis).await, instance(&pool, Plan::default(), &redis).await);
    let ann = Person::new("ann");
    let mut open = Vec::new();
    for house in [&one, &two] {
        for _ in 0..5 {
            open.push(house.connect(&ann).await);
        }
    }
    for house in [&one, &two] {
        // The others' are heard of within moments.
        until("the eleventh is refused", async || {
            matches!(Client::connect(house.address, &ann.token(), &[]).await, Err(429))
        })
        .await;
        house.connect(&Person::new("bob")).await;
    }
    drop(open.pop());
    until("one is gone", async || Client::connect(one.address, &ann.token(), &[]).await.is_ok()).await;
}
