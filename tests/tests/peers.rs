//! Other people's clients: socket.io-client, python-socketio, newman.

use std::process::Stdio;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use system_tests::{
    folder,
    peers::{self, Library, Peer},
    person::{CALENDAR_PASSWORD, event},
    stack::Stack,
};
use tokio::process::Command;

fn join() -> Value {
    json!({ "calendar_name": "Family", "calendar_password": CALENDAR_PASSWORD })
}

/// The room's events as everybody must have heard them: `created_event` is Socket.IO's name.
fn as_frames(events: Vec<(String, Value)>) -> Vec<(String, i64)> {
    let rename =
        |name: &str| if name == "created_event" { "event_created".to_owned() } else { name.to_owned() };
    events
        .into_iter()
        .map(|(name, payload)| (rename(&name), payload["seq"].as_i64().unwrap_or_default()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_three_makes_share_a_room() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob, carol, dave) = (
        stack.person("ann").await?,
        stack.person("bob").await?,
        stack.person("carol").await?,
        stack.person("dave").await?,
    );
    ann.create_calendar("Family").await?;
    let raw = ann.join("Family").await?;
    let js = Peer::connect(Library::JavaScript, &bob, "websocket").await?;
    let python = Peer::connect(Library::Python, &carol, "websocket").await?;
    let polling = Peer::connect(Library::JavaScript, &dave, "polling").await?;
    for (id, peer) in [(0, &js), (1, &python), (2, &polling)] {
        let ack = peer.ask(id, "join_calendar", join()).await?;
        ensure!(ack["ok"] == true && ack["role"] == "editor", "{ack}");
        peer.hears("joined", |payload| payload["calendar_name"] == "Family").await?;
    }

    // Sixteen in flight from each, all at once.
    for n in 0..16_u64 {
        for peer in [&js, &python, &polling] {
            let payload = json!({ "calendar_name": "Family", "message": format!("m{n}") });
            peer.emit("message", payload, Some(100 + n)).await?;
        }
        raw.socket.post("message", json!({ "calendar_name": "Family", "message": format!("m{n}") })).await?;
    }
    let mut last = 0;
    for peer in [&js, &python, &polling] {
        let mut seqs = Vec::new();
        for n in 0..16 {
            let ack = peer.ack(100 + n).await?;
            seqs.push(ack["seq"].as_i64().unwrap_or_default());
        }
        ensure!(seqs.is_sorted() && seqs[0] > 0, "acks in the order of sending: {seqs:?}");
        last = last.max(seqs[15]);
    }

    // Each creates an event; the others see it.
    for (id, peer, name) in [(50, &js, "js"), (51, &python, "python"), (52, &polling, "polling")] {
        let ack = peer.ask(id, "create_event", event("Family", name)).await?;
        ensure!(ack["ok"] == true && ack["event"]["event_name"] == name, "{ack}");
    }
    raw.create_event("raw").await?;
    last += 4;
    raw.reaches(last).await?;
    let all: Vec<(String, i64)> = raw
        .frames()
        .iter()
        .map(|frame| {
            (frame["type"].as_str().unwrap_or_default().to_owned(), frame["seq"].as_i64().unwrap_or_default())
        })
        .collect();
    for (who, peer) in [("js", &js), ("python", &python), ("polling", &polling)] {
        peer.hears("created_event", |payload| payload["seq"] == last).await?;
        let heard = as_frames(peer.room_events("Family"));
        ensure!(
            heard.len() >= 16 * 4 + 4 && all.ends_with(&heard),
            "{who} heard {heard:?}, the room was {all:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_a_failure_is_told() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    for library in [Library::JavaScript, Library::Python] {
        for token in ["", "nonsense"] {
            let text = Peer::refused(library, &ann, token).await?;
            ensure!(!text.is_empty(), "{library:?} was refused without a word");
        }
        let peer = Peer::connect(library, &ann, "polling,websocket").await?;
        let ack = peer.ask(1, "join_calendar", json!({ "calendar_name": "Nowhere" })).await?;
        ensure!(ack["ok"] == false && ack["code"] == "calendar_not_found", "{ack}");
        // Without a callback the text comes as `message`, as in the source.
        peer.emit("join_calendar", json!({ "calendar_name": "Nowhere" }), None).await?;
        peer.hears("message", |payload| payload.is_string() || payload["code"].is_string()).await?;
    }
    let peer = Peer::connect(Library::JavaScript, &ann, "websocket").await?;
    ann.logout().await?.expect(204)?;
    peer.ended().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postman_collection_passes() -> Result<()> {
    let stack = Stack::start().await?;
    let installed = peers::installed().await?;
    let newman = Command::new("node")
        .arg(installed.join("node_modules/newman/bin/newman.js"))
        .arg("run")
        .arg(folder::repository().join("postman_collection.json"))
        .args(["--env-var", &format!("base_url=http://{}", stack.door().address())])
        .args(["--color", "off", "--reporters", "cli"])
        .stdin(Stdio::null())
        .output()
        .await?;
    let report = String::from_utf8_lossy(&newman.stdout);
    ensure!(newman.status.success(), "newman: {report}");
    Ok(())
}
