//! An independent Standard Webhooks verifier, `PyPI`'s `standardwebhooks`, over
//! what a receiver got.

use std::time::Duration;

use notification_service::{MIGRATOR, webhook_settings};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{peers::python, receiver::Got, world::World};

fn question(got: &Got, secret: &str) -> Value {
    let header = |name: &str| (name.to_owned(), Value::from(got.header(name)));
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header);
    json!({
        "secret": secret,
        "headers": serde_json::Map::from_iter(headers),
        "body": String::from_utf8(got.body.to_vec()).unwrap(),
    })
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn it_accepts_every_signature_and_refuses_altered_ones(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = Uuid::now_v7();
    let first = webhook_settings::secret(&world.service, ann).await.unwrap().to_text();
    world.many(ann, 20, 0.0).await;
    let engine = world.start();
    world.until_over().await;
    engine.stop().await;
    let second = webhook_settings::rotate_secret(&world.service, ann).await.unwrap().to_text();
    world.many(ann, 20, 0.0).await;
    let engine = world.start();
    world.until_over().await;
    engine.stop().await;
    let log = world.receiver.log();
    let (before, after) = log.split_at(20);

    let mut good: Vec<Value> = before.iter().map(|got| question(got, &first)).collect();
    // For a day both sign.
    good.extend(after.iter().flat_map(|got| [question(got, &first), question(got, &second)]));
    let mut bad: Vec<Value> = before.iter().map(|got| question(got, &second)).collect();
    for got in after {
        let mut altered = question(got, &second);
        altered["body"] = format!("{} ", altered["body"].as_str().unwrap()).into();
        bad.push(altered);
        for (name, value) in [
            ("webhook-id", Uuid::new_v4().to_string()),
            ("webhook-timestamp", (got.header("webhook-timestamp").parse::<i64>().unwrap() + 1).to_string()),
            ("webhook-signature", got.header("webhook-signature").replace("v1,", "v1,AAAA")),
        ] {
            let mut altered = question(got, &second);
            altered["headers"][name] = value.into();
            bad.push(altered);
        }
    }
    let input = good.iter().chain(&bad).map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n";
    let verdicts = python("webhook_verify.py", &[], input).await;
    assert_eq!(verdicts.len(), good.len() + bad.len());
    let (accepted, refused) = verdicts.split_at(good.len());
    assert!(accepted.iter().all(|verdict| verdict == "ok"), "{accepted:?}");
    assert!(refused.iter().all(|verdict| verdict != "ok"), "{refused:?}");

    // After a day the first one signs no more.
    world.advance(Duration::from_hours(24)).await;
    world.many(ann, 1, 0.0).await;
    let engine = world.start();
    world.until_over().await;
    engine.stop().await;
    let last = world.receiver.log().pop().unwrap();
    assert_eq!(last.header("webhook-signature").split(' ').count(), 1);
}
