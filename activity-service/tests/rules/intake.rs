//! What comes in is kept once, and answered as it is kept.

use activity_service::{
    MIGRATOR,
    record::{Recorded, record},
};
use chassis::fault::Reason;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, launch};

/// What became of each event, in a word or two.
fn outcomes(recorded: &[Recorded]) -> Vec<String> {
    let outcome = |recorded: &Recorded| match recorded {
        Recorded::Kept { supported, repeated, .. } => {
            let of_type = if *supported { "" } else { "unknown " };
            format!("{of_type}{}", if *repeated { "repeat" } else { "kept" })
        }
        Recorded::Refused(errors) => {
            errors.iter().map(|error| error.field.clone()).collect::<Vec<_>>().join(", ")
        }
    };
    recorded.iter().map(outcome).collect()
}

fn kept(recorded: &Recorded) -> Value {
    match recorded {
        Recorded::Kept { event, .. } => serde_json::from_str(&event.to_json()).unwrap(),
        Recorded::Refused(errors) => panic!("refused: {errors:?}"),
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_malformed_event_is_named_and_stops_none_of_the_others(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    let mut broken = launch("d", now);
    broken["timestamp"] = json!("soon");
    let batch = [launch("d", now), broken.clone(), json!(5), launch("e", now)];
    let recorded = world.send(&batch).await;
    assert_eq!(outcomes(&recorded), ["kept", "events[1].timestamp", "events[2]", "kept"]);
    assert_eq!(outcomes(&world.send(&[broken]).await), ["timestamp"], "alone it needs no place");
    assert_eq!(world.count("select count(*) from device_events").await, 2);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_batch_has_one_to_a_thousand_events(pool: PgPool) {
    let world = World::new(pool).await;
    let one = launch("d", world.now().await).to_string();
    for (count, key, field) in [
        (0, "", Some("events")),
        (1001, "", Some("events")),
        (1, "\n", Some("idempotency_key")),
        (1000, "k", None),
    ] {
        let events = vec![one.clone(); count];
        let answer = record(&world.service, world.account, &events, key).await;
        let fault = answer.as_ref().err().map(|fault| (fault.reason, fault.fields[0].field.as_str()));
        assert_eq!(fault, field.map(|field| (Reason::Invalid, field)), "{count}");
    }
    assert_eq!(world.count("select count(*) from device_events").await, 1000);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_repeat_by_id_is_harmless_and_answered_as_the_first(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    let mut event = launch("d", now);
    event["id"] = json!("one");
    event["details"] = json!({ "first": true, "nested": [1, { "a": null }], "text": "\u{0}\u{1F600}" });
    let first = world.send(std::slice::from_ref(&event)).await;
    assert_eq!(kept(&first[0]), event);
    let mut other = launch("e", now.plus(5));
    other["id"] = json!("one");
    let again = world.send(&[other.clone(), event.clone()]).await;
    assert_eq!(outcomes(&again), ["repeat", "repeat"]);
    assert_eq!((kept(&again[0]), kept(&again[1])), (event.clone(), event));
    // Twice in one batch.
    other["id"] = json!("two");
    let both = world.send(&[other.clone(), other.clone()]).await;
    assert_eq!(outcomes(&both), ["kept", "repeat"]);
    // Ids are an account's own.
    let stranger = World { account: Uuid::now_v7(), ..world };
    assert_eq!(outcomes(&stranger.send(&[other]).await), ["kept"]);
    assert_eq!(stranger.count("select count(*) from device_events").await, 3);
    assert_eq!(stranger.count("select sum(received)::bigint from devices").await, 3, "repeats are no news");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_repeat_by_key_and_place_is_harmless_and_another_event_is_not_lost_silently(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    let batch = [launch("d", now), launch("e", now), json!("broken")];
    let first = world.send_with(&batch, "key").await;
    let again = world.send_with(&batch, "key").await;
    assert_eq!(outcomes(&again), ["repeat", "repeat", "events[2]"]);
    assert_eq!((kept(&again[0]), kept(&again[1])), (kept(&first[0]), kept(&first[1])));
    let turned = [launch("e", now), launch("e", now)];
    let turned = world.send_with(&turned, "key").await;
    assert_eq!(outcomes(&turned), ["events[0].idempotency_key", "repeat"]);
    assert_eq!(outcomes(&world.send_with(&batch[..1], "other key").await), ["kept"]);
    assert_eq!(world.count("select count(*) from device_events").await, 3);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_same_batch_fifty_times_at_once_is_kept_once(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    let batch: Vec<_> = (0..40).map(|n| launch(&format!("d{}", n % 7), now.plus(n)).to_string()).collect();
    let mut turned = batch.clone();
    turned.reverse();
    let both = [batch, turned];
    let at_once = (0..50).map(|n| {
        let key = if n % 2 == 0 { "a" } else { "b" };
        record(&world.service, world.account, &both[n % 2], key)
    });
    let answers = futures::future::join_all(at_once).await;
    let fresh = answers.iter().flat_map(|answer| answer.as_ref().unwrap());
    let fresh = fresh.filter(|one| matches!(one, Recorded::Kept { repeated: false, .. })).count();
    assert_eq!(fresh, 80, "each key once");
    assert_eq!(world.count("select count(*) from device_events").await, 80);
    assert_eq!(world.count("select sum(received)::bigint from devices").await, 80);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn unknown_types_are_kept_answered_and_counted_exactly(pool: PgPool) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    // Of this thread alone, and the test has one.
    let _here = metrics::set_default_local_recorder(&recorder);
    let world = World::new(pool).await;
    let now = world.now().await;
    let unknown = |n: usize| {
        let kind = ["coffee_brewed", "APP_CLOSED", "app launch", "💥"][n % 4];
        json!({ "id": format!("u{n}"), "deviceId": "d", "type": kind, "timestamp": now.to_string() })
    };
    for n in 0..300 {
        let batch = [unknown(n), launch("d", now.plus(n as i64)), unknown(n), unknown(n / 2)];
        let recorded = world.send(&batch).await;
        assert_eq!(outcomes(&recorded)[..2], ["unknown kept", "kept"]);
        assert_eq!(kept(&recorded[0])["type"], unknown(n)["type"], "in its own spelling");
    }
    let text = metrics.render();
    let count = |start: &str| {
        let line =
            text.lines().find(|line| line.starts_with("activity_events_total") && line.contains(start));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!(count(r#"type="unknown""#), Some(300), "{text}");
    assert_eq!(count(r#"type="APP_LAUNCHED""#), Some(300));
    assert_eq!(world.count("select count(*) from device_events").await, 600);
    world.settle().await;
    assert_eq!(world.unfinished().await, 0);
}
