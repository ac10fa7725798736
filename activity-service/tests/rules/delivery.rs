//! Nothing is lost while the receiver is down, and each device hears in order.

use std::time::Duration;

use activity_service::{
    MIGRATOR, processor,
    receiver::{HttpReceiver, Receiver},
    service::Service,
};
use sqlx::PgPool;

use crate::{
    notifier::Mood,
    web_receiver::WebReceiver,
    world::{World, eventually, launch, minutes},
};

/// Launches of each of four devices that nobody follows up.
const EACH: usize = 30;

async fn launches(world: &World) {
    let now = world.now().await;
    let events: Vec<_> =
        (0..EACH * 4).map(|n| launch(&format!("d{}", n % 4), now.plus(n as i64 / 4))).collect();
    world.send(&events).await;
    while processor::round(&world.service).await.unwrap() {}
    world.advance(minutes(11)).await;
}

/// The due times of what a device heard, in the order in which it heard them.
async fn is_in_order(world: &World, ids: &[String]) -> bool {
    let mut dues = Vec::new();
    for id in ids {
        let due = "select due_at::text from notifications where notification_id = $1::uuid";
        dues.push(sqlx::query_scalar::<_, String>(due).bind(id).fetch_one(&world.pool).await.unwrap());
    }
    dues.is_sorted()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_receiver_that_is_down_and_back_hears_all_in_order(pool: PgPool) {
    let world = World::new(pool).await;
    world.notifier.mood(Mood::Down);
    launches(&world).await;
    let engine = world.engine();
    eventually("it is tried", async || world.notifier.calls() >= 8).await;
    assert_eq!(world.notifier.heard().len(), 0);
    // Half of the answers get lost: it is told again, with the same id.
    world.notifier.mood(Mood::Deaf);
    world.advance(Duration::from_mins(1)).await;
    eventually("something is heard", async || world.notifier.heard().len() >= 4).await;
    world.notifier.mood(Mood::Willing);
    world.advance(Duration::from_mins(1)).await;
    eventually("all is heard", async || world.unfinished().await == 0).await;
    drop(engine);
    assert_eq!(world.notifier.heard().len(), EACH * 4);
    for device in ["d0", "d1", "d2", "d3"] {
        let heard = world.notifier.heard().into_iter().filter(|heard| heard.device_id == device);
        let ids: Vec<_> = heard.map(|heard| heard.id).collect();
        assert_eq!(ids.len(), EACH);
        assert!(is_in_order(&world, &ids).await, "{device}");
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_receiver_that_lies_is_noticed_by_the_count(pool: PgPool) {
    let world = World::new(pool).await;
    world.notifier.mood(Mood::Lying);
    launches(&world).await;
    world.settle().await;
    assert_eq!(world.unfinished().await, 0);
    assert_ne!(world.notifier.heard().len(), EACH * 4, "the control: what is counted is what was heard");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn an_address_of_the_operators_hears_instead(pool: PgPool) {
    let world = World::new(pool).await;
    let web = WebReceiver::start().await;
    let receiver = Receiver::Http(HttpReceiver::new(web.uri()));
    let world = World { service: Service { receiver, ..world.service.clone() }, ..world };
    web.answer(302);
    launches(&world).await;
    let engine = world.engine();
    eventually("it is tried", async || web.requests().len() >= 4).await;
    for status in [503, 200] {
        web.answer(status);
        world.advance(Duration::from_mins(1)).await;
        let before = web.requests().len();
        eventually("it is tried again", async || web.requests().len() >= before + 4).await;
    }
    eventually("all is heard", async || {
        world.advance(Duration::from_secs(1)).await;
        world.unfinished().await == 0
    })
    .await;
    drop(engine);
    let heard = web.heard();
    assert_eq!(heard.len(), EACH * 4);
    assert_eq!(world.notifier.calls(), 0, "notification-service is not asked");
    for device in ["d0", "d1", "d2", "d3"] {
        let of_device = heard.iter().filter(|body| body["deviceId"] == device);
        let ids: Vec<_> = of_device.map(|body| body["id"].as_str().unwrap().to_owned()).collect();
        assert!(ids.len() == EACH && is_in_order(&world, &ids).await, "{device}");
    }
    let first = &web.requests()[0];
    assert_eq!(first["message"], "Time to start your training!");
    assert_eq!(first.as_object().unwrap().len(), 3, "deviceId, message, id and nothing else: {first}");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_claim_that_ran_out_records_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    launches(&world).await;
    let store = &world.service.store;
    let stale = store.claim_notifications(1, 15.0).await.unwrap().remove(0);
    world.advance(Duration::from_secs(20)).await;
    let fresh = store.claim_notifications(64, 15.0).await.unwrap();
    let fresh = fresh.into_iter().find(|claim| claim.notification_id == stale.notification_id).unwrap();
    store.postpone_notification(&stale, 3600.0).await.unwrap();
    assert!(!store.settle_notification(&stale).await.unwrap());
    assert!(store.settle_notification(&fresh).await.unwrap(), "the control");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_claim_of_a_device_that_ran_out_writes_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    world.send(&[launch("d", now)]).await;
    let store = &world.service.store;
    let stale = store.claim_devices(8, 10.0).await.unwrap();
    assert!(store.claim_devices(8, 10.0).await.unwrap().is_empty(), "leased");
    world.advance(Duration::from_secs(11)).await;
    let fresh = store.claim_devices(8, 10.0).await.unwrap();
    assert_eq!((stale.len(), fresh.len()), (1, 1));
    let mut tx = store.begin().await.unwrap();
    assert!(tx.finish_devices(&stale).await.unwrap().is_empty());
    assert!(tx.hold_devices(&stale, 10.0).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    // News meanwhile: the device waits again after the claim is done.
    world.send(&[launch("d", now.plus(1))]).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.finish_devices(&fresh).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    assert_eq!(store.claim_devices(8, 10.0).await.unwrap().len(), 1);
}
