//! Device events and the rules over them, from the door to a socket.

use anyhow::{Result, ensure};
use chassis::clock::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use system_tests::stack::Stack;

fn device_event(kind: &str, at: Timestamp) -> Value {
    json!({
        "deviceId": "watch", "type": kind, "timestamp": at.to_string(),
        "details": { "programId": 7, "programTitle": "Legs" },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_device_events_make_one_notification() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let (socket, other) = (ann.socket().await?, stack.person("eve").await?.socket().await?);
    let now = SystemClock.now();
    // The end first: order of arrival is none of a rule's business; and a repeat is none at all.
    for (kind, ago) in
        [("TRAINING_PROGRAM_FINISHED", 2), ("TRAINING_PROGRAM_STARTED", 43), ("TRAINING_PROGRAM_FINISHED", 2)]
    {
        let mut event = device_event(kind, now - SignedDuration::from_mins(ago));
        event["id"] = kind.into();
        let answer = ann.post("/v1/event", event).await?.expect(202)?;
        ensure!(answer["status"] == "ok" && answer["details"]["supported"] == true, "{}", answer.text);
    }
    let heard = socket.hears("notification").await?;
    ensure!(heard["message"] == "Congratulations, you trained 41 minutes today!", "{heard}");
    ensure!(heard["device_id"] == "watch", "{heard}");
    ensure!(other.heard(|heard| heard.frames.iter().all(|frame| frame["type"] != "notification")));

    let unknown = ann.post("/v1/event", device_event("TOASTER_ON", now)).await?.expect(202)?;
    ensure!(unknown["details"]["supported"] == false, "{}", unknown.text);
    let broken = ann.post("/v1/event", json!({ "deviceId": "watch", "type": 7 })).await?;
    let fields = broken.refused(400, "invalid")?;
    ensure!(!fields.fields().is_empty(), "{}", fields.text);
    let inbox = ann.get("/user/inbox").await?.expect(200)?;
    ensure!(inbox["entries"].as_array().is_some_and(|entries| entries.len() == 1), "{}", inbox.text);
    Ok(())
}
