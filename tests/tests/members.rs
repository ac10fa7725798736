//! Membership and roles: who may what, and who still may when somebody leaves.

use anyhow::Result;
use serde_json::{Value, json};
use system_tests::{
    person::{CALENDAR_PASSWORD, Person, event},
    room::Room,
    stack::Stack,
};

fn join(password: Option<&str>) -> Value {
    json!({ "calendar_name": "Family", "calendar_password": password })
}

async fn role(
    owner: &Person,
    calendar: &str,
    username: &str,
    role: &str,
) -> Result<system_tests::door::Answer> {
    owner.patch(&format!("/calendar/calendars/{calendar}/members/{username}"), json!({ "role": role })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_makes_an_editor_and_guessing_is_slow() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    ann.create_calendar("Family").await?;
    let socket = bob.socket().await?;
    socket.refused("join_calendar", json!({ "calendar_name": "Nowhere" }), "calendar_not_found").await?;
    socket.refused("join_calendar", join(None), "wrong_password").await?;
    for n in 0..5 {
        socket.refused("join_calendar", join(Some(&format!("guess {n}"))), "wrong_password").await?;
    }
    // Five wrong ones a minute: not even the right one is looked at.
    socket.refused("join_calendar", join(Some(CALENDAR_PASSWORD)), "rate_limited").await?;
    let carol = stack.person("carol").await?;
    carol.join("Family").await?;
    stack.truth().advance_clock(60).await?;
    let ack = socket.must("join_calendar", join(Some(CALENDAR_PASSWORD))).await?;
    assert_eq!(ack["role"], "editor", "{ack}");
    socket.refused("join_calendar", join(Some(CALENDAR_PASSWORD)), "already_in_calendar").await?;
    // Another connection of a member needs no password.
    bob.socket().await?.must("join_calendar", join(None)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_reads_and_only_an_owner_rules() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let family = ann.create_calendar("Family").await?;
    let room = bob.join("Family").await?;
    let calendar = format!("/calendar/calendars/{family}");
    role(&bob, &family, "bob", "owner").await?.refused(403, "forbidden")?;
    bob.patch(&calendar, json!({ "calendar_name": "Mine" })).await?.refused(403, "forbidden")?;
    bob.delete(&calendar).await?.refused(403, "forbidden")?;
    role(&ann, &family, "bob", "king").await?.refused(400, "invalid")?;
    role(&ann, &family, "nobody", "viewer").await?.refused(404, "member_not_found")?;
    role(&ann, &family, "ann", "viewer").await?.refused(409, "last_owner")?;

    let made = ann.create_event("Family", "Dinner").await?.expect(201)?.text_at("/event/event_id")?;
    assert_eq!(role(&ann, &family, "bob", "viewer").await?.expect(200)?["role"], "viewer");
    room.socket
        .frame("the new role", |frame| frame["type"] == "role_changed" && frame["role"] == "viewer")
        .await?;
    bob.create_event("Family", "Lunch").await?.refused(403, "read_only")?;
    bob.update_event(&made, json!({ "location": "x" })).await?.refused(403, "read_only")?;
    bob.delete_event(&made).await?.refused(403, "read_only")?;
    room.socket.refused("create_event", event("Family", "Lunch"), "read_only").await?;
    bob.event(&made).await?.expect(200)?;
    bob.get(&format!("{calendar}/messages")).await?.expect(200)?;

    role(&ann, &family, "bob", "owner").await?.expect(200)?;
    role(&bob, &family, "ann", "editor").await?.expect(200)?;
    ann.delete(&calendar).await?.refused(403, "forbidden")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_stays_out_until_readmitted() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let family = ann.create_calendar("Family").await?;
    let by_ann = ann.join("Family").await?;
    let by_bob = bob.join("Family").await?;
    let mut dinner = event("Family", "Dinner");
    dinner["participants"] = json!(["ann", "bob"]);
    let made = ann.post("/calendar/create_event", dinner).await?.expect(201)?.text_at("/event/event_id")?;

    let path = format!("/calendar/calendars/{family}/members/bob");
    ann.delete(&path).await?.expect(204)?;
    by_bob
        .socket
        .frame("the own removal", |frame| frame["type"] == "member_left" || frame["type"] == "left")
        .await?;
    let last = by_ann.say("bob is gone").await?;
    by_ann.reaches(last).await?;
    by_bob
        .socket
        .refused("message", json!({ "calendar_name": "Family", "message": "x" }), "calendar_not_found")
        .await?;
    assert!(!by_bob.seqs().contains(&last), "frame n goes to those who are members as of n");
    by_bob.socket.refused("join_calendar", join(Some(CALENDAR_PASSWORD)), "barred").await?;
    bob.event(&made).await?.refused(404, "event_not_found")?;
    assert_eq!(ann.event(&made).await?["participants"], json!(["ann"]));
    ann.delete(&path).await?.refused(404, "member_not_found")?;
    ann.delete(&format!("/calendar/calendars/{family}/members/ann")).await?.refused(409, "last_owner")?;

    role(&ann, &family, "bob", "viewer").await?.expect(200)?;
    let again = by_bob.socket.must("join_calendar", join(None)).await?;
    assert_eq!(again["role"], "viewer");
    stack.truth().must_be_whole().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_passes_on_and_its_name_is_freed() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob, carol) =
        (stack.person("ann").await?, stack.person("bob").await?, stack.person("carol").await?);
    let family = ann.create_calendar("Family").await?;
    let by_ann = ann.join("Family").await?;
    let second = Room::join(ann.socket().await?, "Family").await?;
    let by_bob = bob.join("Family").await?;
    let by_carol = carol.join("Family").await?;
    by_ann.socket.must("leave_calendar", json!({ "calendar_name": "Family" })).await?;
    by_ann.socket.hears("left").await?;
    second.socket.hears("left").await?;
    let promoted = by_carol.socket.hears("role_changed").await?;
    assert_eq!((&promoted["username"], &promoted["role"]), (&json!("bob"), &json!("owner")), "longest in");
    by_ann.socket.refused("leave_calendar", json!({ "calendar_name": "Family" }), "not_a_member").await?;
    by_ann
        .socket
        .refused("leave_calendar", json!({ "calendar_name": "Nowhere" }), "calendar_not_found")
        .await?;
    bob.create_event("Family", "Dinner").await?.expect(201)?;

    let renamed = bob
        .patch(
            &format!("/calendar/calendars/{family}"),
            json!({ "calendar_name": "Home", "color": "#00ff00" }),
        )
        .await?;
    assert_eq!(renamed.expect(200)?["calendar_name"], "Home");
    by_carol.socket.hears("settings_changed").await?;
    ann.create_calendar("Family").await?;
    bob.delete(&format!("/calendar/calendars/{family}")).await?.expect(204)?;
    by_carol.socket.hears("calendar_deleted").await?;
    by_bob.socket.hears("calendar_deleted").await?;
    carol.get(&format!("/calendar/calendars/{family}/changes")).await?.refused(404, "calendar_not_found")?;
    carol.create_calendar("Home").await?;
    stack.truth().must_be_whole().await
}
