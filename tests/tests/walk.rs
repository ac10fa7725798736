//! The product in one walk: what one does, the others see at once, in order.

use anyhow::Result;
use serde_json::json;
use system_tests::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_does_the_others_see() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let family = ann.create_calendar("Family").await?;
    let by_ann = ann.join("Family").await?;
    let by_bob = bob.join("Family").await?;
    let joined = by_ann.socket.hears("member_joined").await?;
    assert_eq!(joined["username"], "bob", "{joined}");
    assert_eq!(joined["role"], "editor", "{joined}");

    let said = by_bob.say("hello").await?;
    let event = by_ann.create_event("Dinner").await?;
    let seen = by_bob.reaches(event["seq"].as_i64().unwrap_or_default()).await?;
    assert_eq!(seen["type"], "event_created", "{seen}");
    assert_eq!(seen["event"], event);
    assert_eq!((&seen["by"], &seen["calendar_id"]), (&json!("ann"), &json!(family)));
    assert_eq!(event["participants"], json!(["ann"]), "the creator takes part: {event}");
    assert_eq!(by_ann.reaches(said).await?["message"], "hello");

    // REST reads the same log, and the same event.
    let changes = ann.changes(&family).await?;
    let last = by_bob.frames();
    assert!(changes.ends_with(&last), "{changes:?} against {last:?}");
    let read = bob.event(event["event_id"].as_str().unwrap_or_default()).await?.expect(200)?;
    assert_eq!(read.body, event);
    let all = bob.get("/calendar/get_events").await?.expect(200)?;
    assert_eq!(all["events"], json!([event]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_service_goes_on_where_it_was() -> Result<()> {
    use system_tests::services::Service;

    let mut stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let family = ann.create_calendar("Family").await?;
    let room = ann.join("Family").await?;
    let before = room.say("before").await?;
    for service in [Service::Calendar, Service::Auth, Service::Gateway] {
        stack.restart(service).await?;
        let ann = ann.at(stack.door());
        ann.get("/calendar/calendars").await?.expect(200)?;
        let room = ann.join("Family").await?;
        let seq = room.say(&format!("after {service:?}")).await?;
        assert!(seq > before);
    }
    let changes = ann.at(stack.door()).changes(&family).await?;
    let messages: Vec<_> = changes.iter().filter_map(|change| change["message"].as_str()).collect();
    assert_eq!(messages, ["before", "after Calendar", "after Auth", "after Gateway"]);
    Ok(())
}
