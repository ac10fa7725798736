//! Requests that are sent again: over REST, over sockets, to services that were
//! restarted or crashed in between. The database is asked how often it happened.

use anyhow::{Context as _, Result};
use chassis::failpoint::{self, Action};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{
    door::Answer,
    person::{CALENDAR_PASSWORD, PASSWORD, Person, event},
    services::Service,
    stack::Stack,
    wait::until,
};

const MARK: &str = "idempotent-replayed";

async fn once(person: &Person, path: &str, key: &str, body: &Value) -> Result<Answer> {
    person.call(Method::POST, path).header("idempotency-key", key).json(body).send().await
}

/// Holds a repeat against the first answer.
fn assert_again(first: &Answer, again: &Answer) {
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!((first.header(MARK), again.header(MARK)), (None, Some("true")));
}

async fn events(stack: &Stack) -> Result<usize> {
    Ok(stack.truth().event_names().await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_post_that_creates_may_be_repeated_across_restarts() -> Result<()> {
    let mut stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let calendar = json!({ "calendar_name": "Family", "calendar_password": CALENDAR_PASSWORD });
    let dinner = event("Family", "Dinner");
    let account = json!({ "username": "bob", "password": PASSWORD });
    let register = async |door: &system_tests::door::Door| {
        door.call(Method::POST, "/user/register").header("idempotency-key", "k").json(&account).send().await
    };
    let bob = register(stack.door()).await?.expect(201)?;
    let family = once(&ann, "/calendar/create_calendar", "k", &calendar).await?.expect(201)?;
    let made = once(&ann, "/calendar/create_event", "k", &dinner).await?.expect(201)?;
    for service in [Service::Gateway, Service::Calendar, Service::Auth] {
        stack.restart(service).await?;
    }
    assert_again(&bob, &register(stack.door()).await?);
    assert_again(&family, &once(&ann, "/api/calendar/create_calendar", "k", &calendar).await?);
    let again = once(&ann, "/calendar/create_event", "k", &dinner).await?;
    assert_again(&made, &again);
    assert_eq!(again.header("etag"), made.header("etag"));
    assert_eq!(events(&stack).await?, 1);
    // What is wrong about a key is said with its status.
    once(&ann, "/calendar/create_event", "k", &event("Family", "Lunch"))
        .await?
        .refused(422, "idempotency_mismatch")?;
    let long = "k".repeat(256);
    let refused = once(&ann, "/calendar/create_event", &long, &dinner).await?.refused(400, "invalid")?;
    assert_eq!(refused.fields(), ["Idempotency-Key"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_and_socket_are_one_way_in() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    let mut frame = event("Family", "Dinner");
    let made = once(&ann, "/calendar/create_event", "k", &frame).await?.expect(201)?;
    frame["idempotency_key"] = json!("k");
    let socket = ann.socket().await?;
    let ack = socket.ask("create_event", frame).await?;
    assert_eq!((&ack["ok"], &ack["replayed"]), (&json!(true), &json!(true)), "{ack}");
    assert_eq!(ack["event"], made["event"]);
    assert_eq!(events(&stack).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_crashes_after_its_commit_answers_the_repeat() -> Result<()> {
    let mut stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    let dinner = event("Family", "Dinner");
    failpoint::set("saga.t3.after", Action::Hang, Some(1));
    let lost = tokio::spawn({
        let (ann, dinner) = (ann.clone(), dinner.clone());
        async move { once(&ann, "/calendar/create_event", "k", &dinner).await }
    });
    until("T3", async || (failpoint::left("saga.t3.after") == Some(0)).then_some(())).await?;
    stack.crash(Service::Calendar).await?;
    failpoint::clear("saga.t3.after");
    lost.await.context("asked")??.refused(504, "deadline_exceeded")?;
    let again = once(&ann, "/calendar/create_event", "k", &dinner).await?.expect(201)?;
    assert_eq!((again.header(MARK), events(&stack).await?), (Some("true"), 1));
    // The control: without a key it happens again.
    ann.create_event("Family", "Dinner").await?.expect(201)?;
    assert_eq!(events(&stack).await?, 2);
    Ok(())
}
