//! The room over a raw WebSocket: acks, presence, limits, close codes.

use anyhow::Result;
use serde_json::{Value, json};
use system_tests::{person::event, socket::End, stack::Stack};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn every_id_is_answered_once_and_only_ids_are() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    let room = ann.join("Family").await?;
    let connected = room.socket.hears("connected").await?;
    assert_eq!(connected["message"], "ann has connected");
    for id in [json!("a"), json!({ "deep": [1, null] }), json!(0), json!([])] {
        room.socket
            .send(&json!({ "type": "message", "id": id, "calendar_name": "Family", "message": "m" }))
            .await?;
        let ack = room.socket.frame("an ack", |frame| frame["type"] == "ack" && frame["id"] == id).await?;
        assert_eq!(ack["ok"], true, "{ack}");
        room.socket
            .send(&json!({ "type": "message", "id": id, "calendar_name": "Nowhere", "message": "m" }))
            .await?;
    }
    room.socket.send(&json!({ "type": "message", "calendar_name": "Nowhere", "message": "m" })).await?;
    let error = room.socket.hears("error").await?;
    assert_eq!(error["code"], "calendar_not_found");
    let acks = room.socket.heard(|heard| heard.frames.iter().filter(|frame| frame["type"] == "ack").count());
    assert_eq!(acks, 1 + 8, "the join and twice four ids");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_in_flight_stay_in_order() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    ann.create_calendar("Family").await?;
    let (by_ann, by_bob) = (ann.join("Family").await?, bob.join("Family").await?);
    let mut ids = Vec::new();
    for n in 0..16 {
        let payload = json!({ "calendar_name": "Family", "message": format!("m{n}") });
        ids.push(by_ann.socket.post("message", payload).await?);
    }
    let mut seqs = Vec::new();
    for id in ids {
        seqs.push(by_ann.socket.ack(id).await?["seq"].as_i64().unwrap_or_default());
    }
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    by_bob.reaches(seqs[15]).await?;
    let texts: Vec<_> =
        by_bob.frames().iter().filter_map(|frame| frame["message"].as_str().map(str::to_owned)).collect();
    assert_eq!(texts, (0..16).map(|n| format!("m{n}")).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_changed_and_deleted_by_socket() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    ann.create_calendar("Family").await?;
    let (by_ann, by_bob) = (ann.join("Family").await?, bob.join("Family").await?);
    let made = by_ann.create_event("Dinner").await?;
    let change = |etag: &Value| json!({ "event_id": made["event_id"], "etag": etag, "location": "Home" });
    let ack = by_bob.socket.must("update_event", change(&made["etag"])).await?;
    let updated = by_ann.socket.hears("event_updated").await?;
    assert_eq!(updated["event"], ack["event"]);
    assert_eq!(updated["by"], "bob");
    by_bob.socket.refused("update_event", change(&made["etag"]), "stale").await?;
    by_bob
        .socket
        .refused("delete_event", json!({ "event_id": made["event_id"], "etag": made["etag"] }), "stale")
        .await?;
    by_bob
        .socket
        .must("delete_event", json!({ "event_id": made["event_id"], "etag": ack["event"]["etag"] }))
        .await?;
    let deleted = by_ann.socket.hears("event_deleted").await?;
    assert_eq!(deleted["event_id"], made["event_id"]);
    by_ann
        .socket
        .refused("delete_event", json!({ "event_id": made["event_id"], "etag": "*" }), "event_not_found")
        .await?;
    let refused =
        by_ann.socket.refused("create_event", json!({ "calendar_name": "Family" }), "invalid").await?;
    let named: Vec<_> = refused["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| error["field"].as_str())
        .collect();
    assert!(named.contains(&"event_name") && named.contains(&"event_start"), "{refused}");
    let mut strangers = event("Family", "Party");
    strangers["participants"] = json!(["carol"]);
    by_ann.socket.refused("create_event", strangers, "participant_unknown").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_follows_the_first_and_the_last_connection() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    ann.create_calendar("Family").await?;
    drop(bob.join("Family").await?);
    let room = ann.join("Family").await?;
    let told = |online: bool| {
        move |frame: &Value| {
            frame["type"] == "presence" && frame["username"] == "bob" && frame["online"] == online
        }
    };
    let (first, second) = (bob.socket().await?, bob.socket().await?);
    let online = room.socket.frame("bob online", told(true)).await?;
    assert_eq!(online["message"], "bob has connected");
    drop(first);
    drop(second);
    let offline = room.socket.frame("bob offline", told(false)).await?;
    assert_eq!(offline["message"], "bob has disconnected");
    let online_times =
        room.socket.heard(|heard| heard.frames.iter().filter(|frame| told(true)(frame)).count());
    assert_eq!(online_times, 1, "two connections are one presence");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_room_goes_to_everybody() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let (by_ann, by_bob) = (ann.socket().await?, bob.socket().await?);
    by_bob.hears("connected").await?;
    by_ann.must("message", json!({ "message": "hello all" })).await?;
    let heard = by_bob.hears("message").await?;
    assert_eq!((&heard["message"], &heard["by"]), (&json!("hello all"), &json!("ann")));
    assert!(heard["seq"].is_null(), "transient: {heard}");
    by_ann.must("message", json!({ "message": "x".repeat(4_000) })).await?;
    by_ann.refused("message", json!({ "message": "x".repeat(4_001) }), "too_long").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_closes_with_its_code() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let cases = [(Message::binary(vec![1, 2, 3]), 1003), (Message::text("x".repeat(64 * 1024 + 1)), 1009)];
    for (message, code) in cases {
        let socket = ann.socket().await?;
        socket.send_raw(message).await?;
        assert_eq!(socket.end().await?, End::Closed(code));
    }
    let socket = ann.socket().await?;
    for _ in 0..9 {
        socket.send_raw(Message::text("{not json")).await?;
    }
    socket.must("message", json!({ "message": "still here" })).await?;
    socket.send_raw(Message::text("[]")).await?;
    assert_eq!(socket.end().await?, End::Closed(1008), "ten malformed in a minute");
    let failures =
        socket.heard(|heard| heard.frames.iter().filter(|frame| frame["code"] == "invalid").count());
    assert_eq!(failures, 10, "each was answered");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_and_then_closed() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let socket = ann.socket().await?;
    for _ in 0..400 {
        // The other side may hang up meanwhile.
        if socket.post("message", json!({ "message": "flood" })).await.is_err() {
            break;
        }
    }
    assert_eq!(socket.end().await?, End::Closed(1008));
    let (good, refused) = socket.heard(|heard| {
        let acks = heard.frames.iter().filter(|frame| frame["type"] == "ack");
        let (good, bad): (Vec<_>, Vec<_>) = acks.partition(|ack| ack["ok"] == true);
        (good.len(), bad.iter().filter(|ack| ack["code"] == "rate_limited").count())
    });
    assert!(good >= 60 && refused >= 1, "a burst of 60 passes: {good} good, {refused} refused");
    Ok(())
}
