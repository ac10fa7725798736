//! Sessions: how they end, and what ends with them.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{
    person::{PASSWORD, Person},
    socket::{End, Opening, Socket},
    stack::Stack,
    wait::until,
};

/// CONTRACTS: a token is dead within a second. Asked until it is; what one more second would hide is for
/// the gateway's own tests, which hold the clock.
async fn dies(person: &Person) -> Result<()> {
    until("the token's end", async || {
        let answer = person.get("/calendar/calendars").await.ok()?;
        (answer.status == 401).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_token_and_its_sockets_only() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let elsewhere = Person::login(stack.door(), "ann").await?;
    let (here, there) = (ann.socket().await?, elsewhere.socket().await?);
    ann.logout().await?.expect(204)?;
    // On this gateway at once; it is the one that heard of it.
    ann.get("/calendar/calendars").await?.refused(401, "unauthenticated")?;
    ann.logout().await?.refused(401, "unauthenticated")?;
    assert_eq!(here.end().await?, End::Closed(4401));
    elsewhere.get("/calendar/calendars").await?.expect(200)?;
    assert_eq!(there.heard(|heard| heard.end), None);
    let refused =
        Socket::open(stack.door(), "/ws", &[("authorization", &format!("Bearer {}", ann.token))]).await?;
    refused.refused()?.refused(401, "unauthenticated")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_ends_another() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let lost = Person::login(stack.door(), "ann").await?;
    let socket = lost.socket().await?;
    let list = ann.get("/user/sessions").await?.expect(200)?;
    let sessions = list["sessions"].as_array().cloned().unwrap_or_default();
    assert_eq!(sessions.len(), 2, "{}", list.text);
    let (current, other): (Vec<_>, Vec<_>) = sessions.iter().partition(|session| session["current"] == true);
    assert_eq!((current.len(), other.len()), (1, 1));
    for member in ["created_at", "last_seen_at", "expires_at", "user_agent"] {
        assert!(other[0][member].is_string(), "no {member} in {}", other[0]);
    }
    let id = other[0]["session_id"].as_str().unwrap_or_default();
    let bob = stack.person("bob").await?;
    bob.delete(&format!("/user/sessions/{id}")).await?.refused(404, "session_not_found")?;
    ann.delete(&format!("/user/sessions/{id}")).await?.expect(204)?;
    dies(&lost).await?;
    assert_eq!(socket.end().await?, End::Closed(4401));
    ann.delete(&format!("/user/sessions/{id}")).await?.refused(404, "session_not_found")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_all_other_sessions() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let lost = Person::login(stack.door(), "ann").await?;
    let change = |old: &str, new: &str| ann.post("/user/password", json!({ "old": old, "new": new }));
    change("wrong horse battery", "new horse battery").await?.refused(403, "wrong_password")?;
    let short = change(PASSWORD, "short").await?.refused(400, "invalid")?;
    assert_eq!(short.fields(), ["new"]);
    change(PASSWORD, "new horse battery").await?.expect(204)?;
    dies(&lost).await?;
    ann.get("/calendar/calendars").await?.expect(200)?;
    let credentials = |password: &str| json!({ "username": "ann", "password": password });
    stack.door().post("/user/login", credentials(PASSWORD)).await?.refused(401, "invalid_credentials")?;
    stack.door().post("/user/login", credentials("new horse battery")).await?.expect(200)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_with_its_memberships() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let family = ann.create_calendar("Family").await?;
    let room = bob.join("Family").await?;
    let socket = ann.socket().await?;
    let mut dinner = system_tests::person::event("Family", "Dinner");
    dinner["participants"] = json!(["ann", "bob"]);
    let event = bob.post("/calendar/create_event", dinner).await?.expect(201)?.text_at("/event/event_id")?;

    let remove =
        |password: &str| ann.call(Method::DELETE, "/user").json(&json!({ "password": password })).send();
    remove("wrong horse battery").await?.refused(403, "wrong_password")?;
    remove(PASSWORD).await?.expect(204)?;
    assert_eq!(socket.end().await?, End::Closed(4401));
    dies(&ann).await?;
    // The membership goes by auth-service's outbox; the calendar passes to bob.
    let left = room.socket.frame("ann's leaving", |frame| frame["type"] == "member_left").await?;
    assert_eq!(left["username"], "ann");
    let members = bob.get(&format!("/calendar/calendars/{family}/members")).await?.expect(200)?;
    assert_eq!(members["members"][0]["username"], "bob");
    assert_eq!(members["members"][0]["role"], "owner");
    assert_eq!(members["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(bob.event(&event).await?.expect(200)?["participants"], json!(["bob"]));
    // The name is free, for another account.
    let again = stack.person("ann").await?;
    again.event(&event).await?.refused(404, "event_not_found")?;
    stack.truth().must_be_whole().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_opens_the_socket_with_a_ticket() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    stack.door().post("/ws/ticket", Value::Null).await?.refused(401, "unauthenticated")?;
    let ticket = || async {
        let issued = ann.call(Method::POST, "/ws/ticket").send().await?.expect(201)?;
        assert_eq!(issued["expires_in"], 30);
        issued.text_at("/ticket")
    };
    let first = ticket().await?;
    let open = async |ticket: String| Socket::open(stack.door(), &format!("/ws?ticket={ticket}"), &[]).await;
    open(first.clone()).await?.upgraded()?.hears("connected").await?;
    open(first).await?.refused()?.refused(401, "unauthenticated")?;
    open("nonsense".to_owned()).await?.refused()?.refused(401, "unauthenticated")?;
    // Two redeem one at once: one of them gets in.
    let contested = ticket().await?;
    let (one, other) = tokio::join!(open(contested.clone()), open(contested));
    let got_in = [one?, other?].iter().filter(|opening| matches!(opening, Opening::Upgraded(_))).count();
    assert_eq!(got_in, 1);
    // Thirty seconds, by the database's clock.
    let late = ticket().await?;
    stack.truth().advance_clock(31).await?;
    open(late).await?.refused()?.refused(401, "unauthenticated")?;
    // A ticket of a session that ended meanwhile.
    let orphan = ticket().await?;
    ann.logout().await?.expect(204)?;
    open(orphan).await?.refused()?.refused(401, "unauthenticated")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_url_is_refused() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    for name in ["token", "access_token", "authorization"] {
        let path = format!("/ws?{name}={}", ann.token);
        let answer = Socket::open(stack.door(), &path, &[]).await?.refused()?;
        assert!(answer.status == 400 || answer.status == 401, "{name}: {answer:?}");
        if name != "authorization" {
            assert_eq!(answer.status, 400, "{name}: {answer:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_ten_sockets() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(ann.socket().await?);
    }
    let headers = [("authorization", &*format!("Bearer {}", ann.token))];
    let refused = Socket::open(stack.door(), "/ws", &headers).await?.refused()?;
    refused.refused(429, "too_many_sockets")?;
    bob.socket().await?;
    sockets.pop();
    until("a free place", async || Socket::open(stack.door(), "/ws", &headers).await.ok()?.upgraded().ok())
        .await?;
    Ok(())
}
