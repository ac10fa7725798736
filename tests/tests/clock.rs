//! The durable clock: timers that call webhooks, reminders, notifications.

mod two_instances;
mod wrong_clock;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chassis::clock::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use system_tests::{
    peers::{Library, Peer},
    person::{Person, event},
    program::Program,
    receiver::Receiver,
    services::Service,
    stack::Stack,
    wait::{until, until_within},
};

/// Receivers of these tests are on this machine.
const ALLOWED: (&str, &str) = ("WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8");
/// From a start until what is overdue has gone out, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn soon(minutes: i64, seconds: i64) -> Timestamp {
    SystemClock.now() + SignedDuration::from_secs(60 * minutes + seconds)
}

/// The clock that decides what is due: that of notification-service's database.
struct Clock(PgConnection);

// === impl Clock ===

impl Clock {
    async fn of(stack: &Stack) -> Result<Self> {
        Ok(Self(PgConnection::connect(&stack.databases().notification).await?))
    }

    /// Waits until a reminder of this event is to come.
    async fn knows(&mut self, event: &str) -> Result<()> {
        let of_event = "select count(*) from due_work where subject = $1::text::uuid and state = 'open'";
        until("notification-service knows of the reminder", async || {
            let known: i64 = sqlx::query_scalar(of_event).bind(event).fetch_one(&mut self.0).await.ok()?;
            (known == 1).then_some(())
        })
        .await
    }

    /// Time is moved, not waited for.
    async fn advance(&mut self, seconds: i64) -> Result<()> {
        sqlx::query("update app_clock set shift = shift + make_interval(secs => $1)")
            .bind(seconds as f64)
            .execute(&mut self.0)
            .await?;
        Ok(())
    }
}

/// Creates an event that starts then, with reminders these minutes before it.
async fn event_at(person: &Person, start: Timestamp, minutes: &[u32]) -> Result<String> {
    let mut body = event("Family", "Dinner");
    body["event_start"] = start.to_string().into();
    body["event_end"] = (start + SignedDuration::from_hours(1)).to_string().into();
    body["reminders"] = json!(minutes);
    let created = person.post("/calendar/create_event", body).await?.expect(201)?;
    created.text_at("/event/event_id")
}

async fn inbox(person: &Person) -> Result<Vec<Value>> {
    let answer = person.get("/user/inbox").await?.expect(200)?;
    Ok(answer["entries"].as_array().context("no entries")?.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_fires_once_although_everything_in_between_was_killed() -> Result<()> {
    let receiver = Receiver::start().await?;
    let mut program = Program::embedded("timer")?;
    program.set(ALLOWED.0, ALLOWED.1);
    program.start().await?;
    let ann = program.door()?.person("ann").await?;
    let ask = json!({ "seconds": 3, "url": receiver.url("/hook?from=us") });
    let timer = ann.post("/timers", ask).await?.expect(201)?;
    ensure!(timer["time_left"] == 3, "{}", timer.text);
    let id = timer.text_at("/id")?;
    program.kill().await?;
    program.start().await?;

    let ann = ann.at(&program.door()?);
    let path = format!("/timers/{id}?verbose=true");
    let delivered = until_within(PATIENCE, "the delivery's record", async || {
        let timer = ann.get(&path).await.ok()?;
        (timer["state"] == "delivered").then_some(timer)
    });
    let timer = delivered.await?;
    ensure!(
        timer["time_left"] == 0 && timer["attempts"] == 1 && timer["last_status"] == 200,
        "{}",
        timer.text
    );
    let received = receiver.received();
    ensure!(received.len() == 1, "{received:?}");
    ensure!(
        received[0].path == format!("/hook/{id}?from=us") && received[0].webhook_id == id,
        "{received:?}"
    );
    ensure!(received[0].body["type"] == "timer.fired" && received[0].body["id"] == id, "{received:?}");
    program.must_have_logged_only(&[])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_inside_is_refused_and_nobody_elses_timer_is_seen() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, eve) = (stack.person("ann").await?, stack.person("eve").await?);
    let inside = Receiver::start().await?;
    let refused = ann.post("/timers", json!({ "seconds": 1, "url": inside.url("/") })).await?;
    ensure!(refused.refused(400, "invalid")?.fields() == ["url"]);
    let timer = ann.post("/timers", json!({ "hours": 1, "url": "https://example.org/hook" })).await?;
    let id = timer.expect(201)?.text_at("/id")?;
    for path in [format!("/timers/{id}"), "/timers/none".to_owned()] {
        eve.get(&path).await?.refused(404, "timer_not_found")?;
    }
    eve.delete(&format!("/timers/{id}")).await?.refused(404, "timer_not_found")?;
    ann.delete(&format!("/timers/{id}")).await?.expect(204)?;
    ensure!(inside.received().is_empty(), "somebody came");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_its_key_sets_no_second_timer() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let ask = async |path: &str, key: &str, body: &Value| {
        ann.call(Method::POST, path).header("idempotency-key", key).json(body).send().await
    };
    let timer = json!({ "hours": 1, "url": "https://example.org/hook" });
    let first = ask("/timers", "t", &timer).await?.expect(201)?;
    let again = ask("/timers", "t", &timer).await?.expect(201)?;
    ensure!(
        again.text == first.text && again.header("idempotent-replayed") == Some("true"),
        "{}",
        again.text
    );
    ask("/timers", "t", &json!({ "hours": 2, "url": "https://example.org/hook" }))
        .await?
        .refused(422, "idempotency_mismatch")?;
    let other = ask("/timers", "u", &timer).await?.expect(201)?;
    ensure!(other["id"] != first["id"], "another key is another timer");

    let note = json!({ "username": "ann", "message": "once" });
    for _ in 0..2 {
        ask("/v1/notify", "n", &note).await?.expect(202)?;
    }
    until("the notification", async || inbox(&ann).await.ok().filter(|entries| !entries.is_empty())).await?;
    ensure!(inbox(&ann).await?.len() == 1);
    // Without a key, or an id of its own, it is another one.
    ann.post("/v1/notify", note).await?.expect(202)?;
    until("another", async || inbox(&ann).await.ok().filter(|entries| entries.len() == 2)).await?;

    let socket = ann.socket().await?;
    let tea = |name: &str| {
        let data = json!({ "time": "2099-05-01 18:00", "timeZone": "Europe/Berlin", "eventName": name });
        json!({ "command": "scheduleEvent", "idempotency_key": "tea", "data": data })
    };
    let first = socket.must("command", tea("Tea")).await?;
    let again = socket.must("command", tea("Tea")).await?;
    ensure!(again["response"] == first["response"] && again["replayed"] == true, "{first} {again}");
    let other = socket.refused("command", tea("Coffee"), "idempotency_mismatch").await?;
    ensure!(other["status"] == "failure", "{other}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_reaches_whom_it_concerns_once() -> Result<()> {
    let mut stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let (carol, dave) = (stack.person("carol").await?, stack.person("dave").await?);
    ann.create_calendar("Family").await?;
    for member in [&bob, &carol] {
        member.join("Family").await?;
    }
    let (by_ann, by_bob, by_dave) = (ann.socket().await?, bob.socket().await?, dave.socket().await?);
    let mut clock = Clock::of(&stack).await?;
    let muted = event_at(&ann, soon(11, 0), &[10]).await?;
    let path = format!("/calendar/events/{muted}/reminders");
    bob.call(Method::PUT, &path).json(&json!({ "minutes": [] })).send().await?.expect(200)?;
    dave.call(Method::PUT, &path)
        .json(&json!({ "minutes": [1] }))
        .send()
        .await?
        .refused(404, "event_not_found")?;
    clock.knows(&muted).await?;
    clock.advance(60).await?;
    let heard = by_ann.hears("eventReminder").await?;
    ensure!(heard["event_id"] == muted && heard["minutes_before"] == 10, "{heard}");
    ensure!(heard["name"] == "Dinner" && heard["calendar_name"] == "Family", "{heard}");

    // The same again, with the service behind it started anew before it is due.
    let both = event_at(&ann, soon(22, 0), &[20]).await?;
    clock.knows(&both).await?;
    stack.restart(Service::Notification).await?;
    clock.advance(60).await?;
    let heard = by_bob.frame("the second reminder", |frame| frame["event_id"] == both.as_str()).await?;
    ensure!(heard["type"] == "eventReminder", "{heard}");
    let of_muted = |heard: &system_tests::socket::Heard| {
        heard
            .frames
            .iter()
            .filter(|frame| frame["event_id"] == muted.as_str() && frame["type"] == "eventReminder")
            .count()
    };
    ensure!(by_bob.heard(of_muted) == 0, "bob had muted it");
    ensure!(by_dave.heard(|heard| heard.frames.iter().all(|frame| frame["type"] != "eventReminder")));
    until("ann's second reminder", async || {
        (by_ann.heard(|heard| heard.frames.iter().filter(|frame| frame["type"] == "eventReminder").count())
            == 2)
            .then_some(())
    })
    .await?;

    // Who was away hears it at the next connect, once.
    let late = carol.socket().await?;
    late.frame("a reminder kept for carol", |frame| frame["event_id"] == both.as_str()).await?;
    let entries = inbox(&carol).await?;
    ensure!(entries.len() == 2, "{entries:?}");
    let again = carol.socket().await?;
    again.must("message", json!({ "message": "anything new?" })).await?;
    ensure!(
        again.heard(|heard| heard.frames.iter().all(|frame| frame["type"] != "eventReminder")),
        "told twice"
    );
    Ok(())
}

/// What the source's example client does: zones, an event for the next minute, its reminder.
#[tokio::test(flavor = "multi_thread")]
async fn the_sources_client_is_reminded() -> Result<()> {
    let stack = Stack::start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let client = Peer::connect(Library::JavaScript, &ann, "websocket").await?;
    let listener = Peer::connect(Library::Python, &bob, "websocket").await?;
    let zones = client.ask(1, "command", json!({ "command": "getAllTimeZones" })).await?;
    ensure!(zones["status"] == "success", "{zones}");
    ensure!(zones["response"].as_array().is_some_and(|zones| zones.contains(&json!("America/Toronto"))));

    let next = soon(1, 0).to_zoned(TimeZone::get("America/Toronto")?);
    let time = next.strftime("%Y-%m-%d %H:%M").to_string();
    let data = json!({ "time": time, "timeZone": "America/Toronto", "eventName": "Tea" });
    let made = client.ask(2, "command", json!({ "command": "scheduleEvent", "data": data })).await?;
    ensure!(made["status"] == "success" && made["response"]["name"] == "Tea", "{made}");
    let instant = made["response"]["time"].as_str().context("no time")?;
    ensure!(instant.len() == "2020-11-29T22:30:00.000Z".len() && instant.ends_with(":00.000Z"), "{made}");
    let missing = json!({ "command": "scheduleEvent", "data": { "time": time, "timeZone": "Mars/Dome" } });
    let refused = client.ask(3, "command", missing).await?;
    ensure!(refused == json!({ "status": "failure", "error": "'eventName' is required" }), "{refused}");

    Clock::of(&stack).await?.advance(60).await?;
    for peer in [&client, &listener] {
        let reminder = peer.hears("eventReminder", |reminder| reminder["name"] == "Tea").await?;
        ensure!(reminder["_id"] == made["response"]["_id"] && reminder["time"] == instant, "{reminder}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_goes_to_the_inbox_and_to_the_webhook() -> Result<()> {
    let receiver = Receiver::start().await?;
    let stack = Stack::builder().set(ALLOWED.0, ALLOWED.1).start().await?;
    let (ann, bob, eve) =
        (stack.person("ann").await?, stack.person("bob").await?, stack.person("eve").await?);
    ann.create_calendar("Family").await?;
    bob.join("Family").await?;
    let url = json!({ "url": receiver.url("/told") });
    bob.call(Method::PUT, "/user/webhook-url").json(&url).send().await?.expect(200)?;
    let by_bob = bob.socket().await?;
    let ask = json!({ "username": "bob", "message": "the oven is on", "id": "oven-1" });
    for _ in 0..2 {
        let answer = ann.post("/v1/notify", ask.clone()).await?;
        ensure!(answer.status < 300, "{}", answer.text);
    }
    ensure!(eve.post("/v1/notify", ask).await?.status == 404, "eve shares no calendar with bob");
    let heard = by_bob.hears("notification").await?;
    ensure!(heard["message"] == "the oven is on", "{heard}");
    until("the webhook", async || (!receiver.received().is_empty()).then_some(())).await?;
    let entries = inbox(&bob).await?;
    ensure!(entries.len() == 1 && receiver.received().len() == 1, "{entries:?} {:?}", receiver.received());
    let seq = entries[0]["seq"].as_i64().context("no seq")?;
    bob.post(&format!("/user/inbox/{seq}/seen"), json!({})).await?.expect(204)?;
    ensure!(inbox(&bob).await?[0]["seen"] == true);
    Ok(())
}
