//! Failures over HTTP: problem documents with stable codes, and the fields named.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{
    door::Answer,
    person::{PASSWORD, Person, event},
    stack::Stack,
};

/// A body, the code it is refused with, and the field that is named (empty: none).
type Wrong = (Value, &'static str, &'static str);

fn check_problem(answer: &Answer) -> Result<()> {
    ensure!(answer.header("content-type") == Some("application/problem+json"), "{answer:?}");
    for member in ["type", "title", "detail", "code", "request_id"] {
        ensure!(
            answer[member].as_str().is_some_and(|text| !text.is_empty()),
            "no {member} in {}",
            answer.text
        );
    }
    ensure!(answer["status"] == answer.status, "{}", answer.text);
    ensure!(answer.header("x-request-id") == answer["request_id"].as_str(), "{answer:?}");
    ensure!(answer["type"] == format!("urn:shared-calendar:problem:{}", answer.code()), "{}", answer.text);
    Ok(())
}

async fn refuses(person: &Person, path: &str, (body, code, field): Wrong) -> Result<()> {
    let answer = person.post(path, body.clone()).await?;
    check_problem(&answer)?;
    ensure!(answer.status == 400 && answer.code() == code, "{path} {body}: {}", answer.text);
    ensure!(field.is_empty() || answer.fields().contains(&field), "{path} {body}: {}", answer.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_account_is_told_which_field() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let wrong = [
        (json!({ "password": PASSWORD }), "username"),
        (json!({ "username": "bob" }), "password"),
        (json!({ "username": 7, "password": PASSWORD }), "username"),
        (json!({ "username": "bo", "password": PASSWORD }), "username"),
        (json!({ "username": "b".repeat(81), "password": PASSWORD }), "username"),
        (json!({ "username": "bob smith", "password": PASSWORD }), "username"),
        (json!({ "username": "bób", "password": PASSWORD }), "username"),
        (json!({ "username": "bob\u{0}", "password": PASSWORD }), "username"),
        (json!({ "username": "bob", "password": "1234567" }), "password"),
        (json!({ "username": "bob", "password": "x".repeat(129) }), "password"),
        (json!([]), "body"),
        (json!("bob"), "body"),
    ];
    for (body, field) in wrong {
        refuses(&ann, "/user/register", (body, "invalid", field)).await?;
    }
    let taken = json!({ "username": "ANN", "password": PASSWORD });
    check_problem(&stack.door().post("/user/register", taken).await?.refused(409, "username_taken")?)?;
    for body in [json!({}), json!({ "username": "ann" }), json!({ "username": [], "password": PASSWORD })] {
        stack.door().post("/user/login", body).await?.refused(400, "invalid")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn login_answers_one_thing_to_whoever_does_not_know() -> Result<()> {
    let stack = Stack::start().await?;
    stack.person("ann").await?;
    let mut bodies = Vec::new();
    for (username, password) in
        [("ann", "wrong horse battery"), ("nobody", PASSWORD), ("", ""), ("ann\u{0}", "x"), ("a b", PASSWORD)]
    {
        let credentials = json!({ "username": username, "password": password });
        let answer =
            stack.door().post("/user/login", credentials).await?.refused(401, "invalid_credentials")?;
        check_problem(&answer)?;
        let mut body = answer.body;
        body["request_id"] = Value::Null;
        bodies.push(body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_calendar_is_told_which_field() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let wrong = [
        (json!({ "calendar_password": "p" }), "calendar_name"),
        (json!({ "calendar_name": "  ", "calendar_password": "p" }), "calendar_name"),
        (json!({ "calendar_name": "x".repeat(101), "calendar_password": "p" }), "calendar_name"),
        (json!({ "calendar_name": "a\u{7}b", "calendar_password": "p" }), "calendar_name"),
        (json!({ "calendar_name": "a" }), "calendar_password"),
        (json!({ "calendar_name": "a", "calendar_password": "" }), "calendar_password"),
        (json!({ "calendar_name": "a", "calendar_password": "p".repeat(129) }), "calendar_password"),
        (json!({ "calendar_name": "a", "calendar_password": "p", "time_zone": "Mars/Olympus" }), "time_zone"),
        (json!({ "calendar_name": "a", "calendar_password": "p", "color": "red" }), "color"),
    ];
    for (body, field) in wrong {
        refuses(&ann, "/calendar/create_calendar", (body, "invalid", field)).await?;
    }
    ann.create_calendar("Family").await?;
    let taken = json!({ "calendar_name": " fAMILY ", "calendar_password": "p" });
    ann.post("/calendar/create_calendar", taken).await?.refused(409, "calendar_name_taken")?;
    let padded = json!({ "calendar_name": " Café ", "calendar_password": "p", "owner": "bob", "seq": 9 });
    let made = ann.post("/calendar/create_calendar", padded).await?.expect(201)?;
    assert_eq!(made.text_at("/calendar/calendar_name")?, "Café", "trimmed and NFC");
    assert_eq!(made.text_at("/calendar/role")?, "owner");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_event_is_told_which_field() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    let with = |field: &str, value: Value| {
        let mut body = event("Family", "Dinner");
        body[field] = value;
        body
    };
    let wrong = [
        (with("event_name", json!("")), "event_name"),
        (with("event_name", json!("x".repeat(101))), "event_name"),
        (with("event_name", Value::Null), "event_name"),
        (with("event_start", json!("tomorrow")), "event_start"),
        (with("event_start", json!("2030-02-30T10:00:00Z")), "event_start"),
        (with("event_start", json!("0000-01-01T00:00:00Z")), "event_start"),
        (with("event_start", json!("10000-01-01T00:00:00Z")), "event_start"),
        (with("event_end", json!("2030-05-01T18:59:59Z")), "event_end"),
        (with("event_end", json!(7)), "event_end"),
        (with("time_zone", json!("Nowhere/Else")), "time_zone"),
        (with("all_day", json!("yes")), "all_day"),
        (with("participants", json!("ann")), "participants"),
        (with("reminders", json!([-1])), "reminders"),
        (with("reminders", json!(["ten"])), "reminders"),
    ];
    for (body, field) in wrong {
        let answer = ann.post("/calendar/create_event", body.clone()).await?;
        check_problem(&answer)?;
        ensure!(answer.status == 400 && answer.code() == "invalid", "{body}: {}", answer.text);
        ensure!(answer.fields().iter().any(|named| named.starts_with(field)), "{body}: {}", answer.text);
    }
    let repeated = with("rrule", json!("FREQ=DAILY"));
    refuses(&ann, "/calendar/create_event", (repeated, "unsupported", "rrule")).await?;
    let strangers = with("participants", json!(["ann", "bob", "carol"]));
    let answer = ann.post("/calendar/create_event", strangers).await?.refused(409, "participant_unknown")?;
    assert_eq!(answer["names"], json!(["bob", "carol"]));
    ann.create_event("Nowhere", "Dinner").await?.refused(404, "calendar_not_found")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_too() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    for (method, path, status, code) in [
        (Method::GET, "/nothing", 404, "not_found"),
        (Method::GET, "/api/nothing", 404, "not_found"),
        (Method::GET, "/api/api/user/status", 404, "not_found"),
        (Method::PUT, "/user/login", 405, "method_not_allowed"),
        (Method::GET, "/calendar/create_event", 405, "method_not_allowed"),
        (Method::GET, "/calendar/calendars/none/members", 404, "calendar_not_found"),
        (Method::GET, "/calendar/events/none", 404, "event_not_found"),
        (Method::GET, "/calendar/get_events", 404, "no_events"),
        (Method::GET, "/ws", 426, "upgrade_required"),
    ] {
        let answer = ann.call(method.clone(), path).send().await?;
        check_problem(&answer)?;
        answer.refused(status, code)?;
    }
    let typed = ann.call(Method::POST, "/calendar/create_calendar").header("content-type", "text/plain");
    check_problem(&typed.body("{}").send().await?.refused(415, "unsupported_media_type")?)?;
    for token in ["", "x", "a.b.c", &format!("{}x", ann.token)] {
        let answer = stack.door().call(Method::GET, "/calendar/calendars").bearer(token).send().await?;
        check_problem(&answer.refused(401, "unauthenticated")?)?;
    }
    stack.door().get("/calendar/calendars").await?.refused(401, "unauthenticated")?;
    Ok(())
}
