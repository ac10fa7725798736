//! In a large room in which several instances talk, messages are gathered before they are committed (ADR 0017):
//! none of them waits for ever, and what was said before a leave, a drain or the room's end is answered before it.

use std::sync::atomic::{AtomicBool, Ordering};

use calendar_service::{calendar, socket::SocketLimits};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    client::{Client, SOON},
    house::{House, Person, Plan},
    instances::{instance, message},
    redis_server::RedisServer,
};

/// Sockets that talk: enough for a pause and for gathering, where two instances have half of them each.
const TALKERS: usize = 20;
const LEAVES: usize = 5;

/// Two instances, and a room in which both have half of those who talk.
struct Scene {
    one: House,
    two: House,
    ann: Person,
    calendar_id: Uuid,
    talkers: Vec<Client>,
    _redis: RedisServer,
}

impl Scene {
    async fn set(pool: &PgPool) -> Self {
        let redis = RedisServer::start().await;
        let limits =
            SocketLimits { frames_per_second: 10_000, frame_burst: 10_000, ..SocketLimits::default() };
        let plan = || Plan { limits, ..Plan::default() };
        let (one, two) = (instance(pool, plan(), &redis).await, instance(pool, plan(), &redis).await);
        let ann = Person::new("ann");
        let calendar_id = one.calendar(&ann, "Home").await;
        let mut talkers = Vec::new();
        for n in 0..TALKERS {
            let person = Person::new(&format!("p{n}"));
            one.admit(calendar_id, &person).await;
            talkers.push([&one, &two][n % 2].join(&person, "Home").await);
        }
        Self { one, two, ann, calendar_id, talkers, _redis: redis }
    }
}

/// Says one thing after the other until somebody wants it to stop, or it is refused: why.
async fn talk(client: &mut Client, stop: &AtomicBool) -> Option<String> {
    while !stop.load(Ordering::Relaxed) {
        if let Err(code) = client.ask(&message("talk")).await {
            return Some(code);
        }
        client.forget();
    }
    None
}

/// Three messages, the first of them with a key, and what comes after them, without a wait in between.
async fn pipeline(client: &mut Client, key: &str, then: &Value) -> Vec<u64> {
    let mut keyed = message("with a key");
    keyed["idempotency_key"] = json!(key);
    let mut said = Vec::new();
    for frame in [&keyed, &message("without"), &message("likewise"), then] {
        said.push(client.post(frame).await);
    }
    said
}

/// The ids of those that were done, as their acks came, to this one's.
async fn done_to(client: &mut Client, last: u64) -> Vec<u64> {
    let mut done = Vec::new();
    while done.last() != Some(&last) {
        let frame = client.next().await;
        if frame["type"] == "ack" {
            assert_eq!(frame["ok"], true, "{frame}");
            done.extend(frame["id"].as_u64());
        }
    }
    done
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_is_said_is_done_before_its_sender_leaves_or_its_instance_goes(pool: PgPool) {
    let mut scene = Scene::set(&pool).await;
    let (one, two, stop) = (&scene.one, &scene.two, AtomicBool::new(false));
    let talking = join_all(scene.talkers.iter_mut().map(|client| talk(client, &stop)));
    let leaving = async {
        let bob = Person::new("bob");
        for n in 0..LEAVES {
            one.admit(scene.calendar_id, &bob).await;
            let mut client = one.join(&bob, "Home").await;
            let leave = json!({ "type": "leave_calendar", "calendar_name": "Home" });
            let said = pipeline(&mut client, &n.to_string(), &leave).await;
            assert_eq!(done_to(&mut client, said[3]).await, said);
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (ends, ()) = timeout(SOON, async { tokio::join!(talking, leaving) }).await.unwrap();
    assert!(ends.iter().all(Option::is_none), "{ends:?}");
    // The pause of what was just said is not over.
    let last = scene.talkers.iter_mut().skip(1).step_by(2).map(|client| async move {
        let said = client.post(&message("last")).await;
        (said, client)
    });
    let last = join_all(last).await;
    two.service.lifecycle.drain();
    for (said, client) in last {
        client.find(|frame| frame["type"] == "ack" && frame["id"] == said && frame["ok"] == true).await;
        assert_eq!(client.end().await, 1012);
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_is_said_as_the_calendar_goes_is_refused_for_that(pool: PgPool) {
    let mut scene = Scene::set(&pool).await;
    let never = AtomicBool::new(false);
    let mut witness = scene.two.join(&scene.ann, "Home").await;
    let talking = join_all(scene.talkers.iter_mut().map(|client| talk(client, &never)));
    let deleting = async {
        for _ in 0..TALKERS * 5 {
            witness.until("message").await;
        }
        calendar::delete(&scene.one.service, &scene.ann.identity, scene.calendar_id).await.unwrap();
    };
    let (ends, ()) = timeout(SOON, async { tokio::join!(talking, deleting) }).await.unwrap();
    assert_eq!(ends, vec![Some("calendar_not_found".to_owned()); TALKERS]);
}
