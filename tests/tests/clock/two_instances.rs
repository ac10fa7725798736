//! calendar-service twice, as the real program: a reminder is for whoever it concerns, wherever they are connected.

use anyhow::{Result, ensure};
use serde_json::Value;
use system_tests::{
    peers::{Library, Peer},
    redis_server::RedisServer,
    services::Service,
    socket::Socket,
    stack::Stack,
    wait::until,
};

use super::{Clock, event_at, inbox, soon};

/// How often a socket was reminded of an event.
fn reminded(socket: &Socket, event: &str) -> usize {
    let is_it = |frame: &&Value| frame["type"] == "eventReminder" && frame["event_id"] == event;
    socket.heard(|heard| heard.frames.iter().filter(is_it).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_reaches_members_of_two_instances_once() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut stack = Stack::builder().set("REDIS_URL", &redis.url()).start().await?;
    let mut one = stack.hand_over(Service::Calendar).await?;
    one.start().await?;
    stack.ready().await?;
    let mut two = stack.another(Service::Calendar)?;
    two.start().await?;
    let there = stack.gateway_to(&two).await?;
    let (ann, bob, eve) = (
        stack.person("ann").await?,
        stack.person("bob").await?.at(&there),
        stack.person("eve").await?.at(&there),
    );
    ann.create_calendar("Family").await?;
    drop(bob.join("Family").await?);

    // Ann here, bob there: with a socket of each kind, beside somebody whom it does not concern.
    let (by_ann, by_bob, by_eve) = (ann.socket().await?, bob.socket().await?, eve.socket().await?);
    let bobs_browser = Peer::connect(Library::JavaScript, &bob, "websocket").await?;
    for (instance, sockets) in [(&one, 1.0), (&two, 3.0)] {
        until("their sockets", async || {
            let open = instance.metric("socket_connections").await.ok()?;
            ((open - sockets).abs() < 0.5).then_some(())
        })
        .await?;
    }

    let mut clock = Clock::of(&stack).await?;
    let mut events = Vec::new();
    for minutes in [12, 14] {
        events.push(event_at(&ann, soon(minutes, 0), &[10]).await?);
    }
    for event in &events {
        clock.knows(event).await?;
    }
    for event in &events {
        // Each is due two minutes after the one before.
        clock.advance(120).await?;
        let is_it = |frame: &Value| frame["event_id"] == event.as_str();
        let heard = by_ann.frame("ann's reminder", is_it).await?;
        let there = by_bob.frame("bob's reminder", is_it).await?;
        let in_browser = bobs_browser.hears("eventReminder", is_it).await?;
        for reminder in [&there, &in_browser] {
            ensure!(
                reminder["_id"] == heard["_id"] && reminder["minutes_before"] == 10,
                "{reminder} {heard}"
            );
        }
    }
    // The second came after the first: whatever came twice would be here by now.
    for event in &events {
        let counts = [&by_ann, &by_bob, &by_eve].map(|socket| reminded(socket, event));
        ensure!(counts == [1, 1, 0], "{event} was heard {counts:?} times");
        let in_browser = bobs_browser.times("eventReminder", |frame| frame["event_id"] == event.as_str());
        ensure!(in_browser == 1, "{event} was heard {in_browser} times");
    }
    for (person, entries) in [(&ann, 2), (&bob, 2), (&eve, 0)] {
        let kept = inbox(person).await?;
        ensure!(kept.len() == entries, "{}: {kept:?}", person.name);
    }
    drop(stack);
    Ok(())
}
