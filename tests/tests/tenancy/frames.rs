//! Sockets: every frame. Names are public by the contract, ids are not.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use system_tests::{person::CALENDAR_PASSWORD, socket::Socket};

use super::{ABSENT, ACTORS, Actor, CALENDAR, FOREIGN, Need, TARGETS, Target, World, must_not_leak};

/// A frame and what it is answered with; `""` is a good ack.
struct Frame {
    kind: &'static str,
    /// Names its calendar or its event.
    by: By,
    need: Need,
    /// Codes for a stranger and a former member, of a calendar that is there.
    stranger: &'static str,
    former: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Name,
    EventId,
}

const fn frame(kind: &'static str, need: Need, stranger: &'static str, former: &'static str) -> Frame {
    Frame { kind, by: By::Name, need, stranger, former }
}

const fn by_id(kind: &'static str) -> Frame {
    Frame { kind, by: By::EventId, need: Need::Write, stranger: "event_not_found", former: "event_not_found" }
}

/// A join without the password, so that nobody becomes a member; leaving is last.
const FRAMES: [Frame; 6] = [
    frame("join_calendar", Need::Read, "wrong_password", "barred"),
    frame("message", Need::Read, "calendar_not_found", "calendar_not_found"),
    frame("create_event", Need::Write, "not_a_member", "not_a_member"),
    by_id("update_event"),
    by_id("delete_event"),
    frame("leave_calendar", Need::Read, "not_a_member", "not_a_member"),
];

fn name(target: Target) -> &'static str {
    match target {
        Target::Own => CALENDAR,
        Target::Foreign => FOREIGN,
        Target::Absent => ABSENT,
        Target::Malformed => "no\u{7}name",
    }
}

fn expected(actor: Actor, target: Target, frame: &Frame) -> &'static str {
    match (frame.by, target, actor.may()) {
        (By::EventId, Target::Own, Some(may)) if may >= frame.need => "",
        (By::EventId, Target::Own, Some(_)) => "read_only",
        (By::EventId, _, _) => "event_not_found",
        (By::Name, Target::Own, Some(may)) if may >= frame.need => "",
        (By::Name, Target::Own, Some(_)) => "read_only",
        (By::Name, Target::Own, None) if actor == Actor::Former => frame.former,
        (By::Name, Target::Own | Target::Foreign, _) => frame.stranger,
        (By::Name, Target::Absent | Target::Malformed, _) => "calendar_not_found",
    }
}

async fn payload(world: &World, frame: &Frame, target: Target) -> Result<Value> {
    Ok(match frame.by {
        By::EventId => json!({ "event_id": world.event_id(target).await?, "etag": "*", "location": "moved" }),
        By::Name => {
            let mut payload = system_tests::person::event(name(target), "Intrusion");
            payload["message"] = "intrusion".into();
            payload
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_asks_for_membership() -> Result<()> {
    let world = World::make().await?;
    for actor in ACTORS {
        let Some(person) = world.person(actor) else {
            Socket::open(world.stack.door(), "/ws", &[]).await?.refused()?.refused(401, "unauthenticated")?;
            continue;
        };
        let socket = person.socket().await?;
        for frame in &FRAMES {
            let mut refusals = Vec::new();
            for target in TARGETS {
                let cell = format!("{actor:?} {} {target:?}", frame.kind);
                let mut ack = socket.ask(frame.kind, payload(&world, frame, target).await?).await?;
                let code = expected(actor, target, frame);
                ensure!(
                    ack["ok"] == code.is_empty() && ack["code"].as_str().unwrap_or_default() == code,
                    "{cell}: expected `{code}`, got {ack}"
                );
                if !code.is_empty() {
                    must_not_leak(&cell, &ack.to_string())?;
                }
                if frame.by == By::EventId && code == "event_not_found" {
                    ack["id"] = Value::Null;
                    refusals.push(ack);
                }
            }
            ensure!(
                refusals.windows(2).all(|pair| pair[0] == pair[1]),
                "{actor:?} {}: {refusals:?}",
                frame.kind
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_replays_only_to_members() -> Result<()> {
    let world = World::make().await?;
    let all = json!({ "calendars": { CALENDAR: 0, FOREIGN: 0, ABSENT: 0 } });
    for (person, own) in
        [(&world.stranger, "not_a_member"), (&world.former, "not_a_member"), (&world.viewer, "")]
    {
        let socket = person.socket().await?;
        let ack = socket.must("resume", all.clone()).await?;
        let code = |name: &str| ack["calendars"][name]["code"].as_str().unwrap_or_default();
        assert_eq!(
            (code(CALENDAR), code(FOREIGN), code(ABSENT)),
            (own, "not_a_member", "calendar_not_found"),
            "{ack}"
        );
        if own.is_empty() {
            socket.frame("the first change", |frame| frame["seq"] == 1).await?;
        } else {
            socket.must("message", json!({ "message": "after" })).await?;
            let heard = socket.heard(|heard| Value::from(heard.frames.clone()).to_string());
            must_not_leak(&person.name, &heard)?;
        }
    }
    // A bar does not yield to the right password.
    let payload = json!({ "calendar_name": CALENDAR, "calendar_password": CALENDAR_PASSWORD });
    world.former.socket().await?.refused("join_calendar", payload, "barred").await?;
    Ok(())
}
