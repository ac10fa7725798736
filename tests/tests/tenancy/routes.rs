//! REST: every route that is about a calendar, an event or a session.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::door::Answer;

use super::{ABSENT_ID, ACTORS, Actor, Need, SECRET, TARGETS, Target, World, must_not_leak};

/// A route by id. `{c}` is the calendar, `{e}` an event of it.
pub(super) struct Route {
    method: Method,
    path: &'static str,
    need: Need,
    /// The body, as JSON; empty: none.
    body: &'static str,
    if_match: bool,
    status: u16,
    /// What is answered to whoever may not know that it is there.
    missing: &'static str,
}

const fn route(method: Method, path: &'static str, need: Need, body: &'static str, status: u16) -> Route {
    Route { method, path, need, body, if_match: false, status, missing: "calendar_not_found" }
}

const fn on_event(method: Method, need: Need, body: &'static str, status: u16) -> Route {
    let path = "/calendar/events/{e}";
    Route { method, path, need, body, if_match: true, status, missing: "event_not_found" }
}

/// The order matters where calls destroy: a calendar's deletion is last, an owner acts last.
pub(super) const ROUTES: [Route; 13] = [
    route(Method::GET, "/calendar/calendars/{c}/events", Need::Read, "", 200),
    route(Method::GET, "/calendar/calendars/{c}/changes", Need::Read, "", 200),
    route(Method::GET, "/calendar/calendars/{c}/messages", Need::Read, "", 200),
    route(Method::GET, "/calendar/calendars/{c}/members", Need::Read, "", 200),
    on_event(Method::GET, Need::Read, "", 200),
    on_event(Method::PATCH, Need::Write, r#"{"location":"moved"}"#, 200),
    on_event(Method::DELETE, Need::Write, "", 204),
    route(Method::PATCH, "/calendar/calendars/{c}", Need::Rule, r##"{"color":"#112233"}"##, 200),
    route(Method::PATCH, "/calendar/calendars/{c}/members/editor", Need::Rule, r#"{"role":"editor"}"#, 200),
    route(Method::PATCH, "/calendar/calendars/{c}/members/viewer", Need::Rule, r#"{"role":"viewer"}"#, 200),
    route(
        Method::PATCH,
        "/calendar/calendars/{c}/members/nobody-here",
        Need::Rule,
        r#"{"role":"viewer"}"#,
        404,
    ),
    route(Method::DELETE, "/calendar/calendars/{c}/members/spare", Need::Rule, "", 204),
    route(Method::DELETE, "/calendar/calendars/{c}", Need::Rule, "", 204),
];

async fn call(world: &World, actor: Actor, target: Target, route: &Route) -> Result<Answer> {
    let mut path = route.path.replace("{c}", world.calendar_id(target));
    if path.contains("{e}") {
        path = path.replace("{e}", &world.event_id(target).await?);
    }
    let mut call = world.stack.door().call(route.method.clone(), &path);
    if let Some(person) = world.person(actor) {
        call = call.bearer(&person.token);
    }
    if route.if_match {
        call = call.header("if-match", "*");
    }
    if !route.body.is_empty() {
        call = call.json(&serde_json::from_str(route.body)?);
    }
    call.send().await
}

/// An answer without what may differ: the request id, wherever it is.
fn anonymous(answer: &Answer) -> (u16, Vec<String>, Value) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date", "x-ratelimit-remaining"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    let mut body = answer.body.clone();
    body["request_id"] = Value::Null;
    (answer.status, headers, body)
}

fn expected(actor: Actor, target: Target, route: &Route) -> (u16, &'static str) {
    match (actor.may(), target) {
        (None, _) if actor == Actor::Nobody => (401, "unauthenticated"),
        (Some(may), Target::Own) if may >= route.need => {
            (route.status, if route.status == 404 { "member_not_found" } else { "" })
        }
        (Some(_), Target::Own) => (403, if route.need == Need::Rule { "forbidden" } else { "read_only" }),
        _ => (404, route.missing),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_id_only_members_learn_that_it_is_there() -> Result<()> {
    let world = World::make().await?;
    for route in &ROUTES {
        for actor in ACTORS {
            let mut alike: Vec<(Target, Answer)> = Vec::new();
            for target in TARGETS {
                let cell = format!("{actor:?} {} {} {target:?}", route.method, route.path);
                let answer = call(&world, actor, target, route).await?;
                let (status, code) = expected(actor, target, route);
                ensure!(
                    answer.status == status && answer.code() == code,
                    "{cell}: expected {status} {code}, got {} {}",
                    answer.status,
                    answer.text
                );
                if actor.may().is_none() || target != Target::Own {
                    must_not_leak(&cell, &answer.text)?;
                    alike.push((target, answer));
                }
            }
            for pair in alike.windows(2) {
                let [(one, first), (other, second)] = pair else { unreachable!("windows of two") };
                ensure!(
                    anonymous(first) == anonymous(second),
                    "{actor:?} can tell {one:?} from {other:?} by {} {}: {first:?} against {second:?}",
                    route.method,
                    route.path
                );
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_hold_only_ones_own() -> Result<()> {
    let world = World::make().await?;
    super::event(&world.owner, super::CALENDAR).await?;
    for actor in [Actor::Stranger, Actor::Former] {
        let Some(person) = world.person(actor) else { continue };
        let calendars = person.get("/calendar/calendars").await?.expect(200)?;
        assert_eq!(calendars["calendars"], json!([]), "{actor:?}");
        person.get("/calendar/get_events").await?.refused(404, "no_events")?;
        let named = person.get("/calendar/get_events?calendar_name=Family").await?.expect(404)?;
        must_not_leak("get_events", &named.text)?;
        person.create_event("Family", "Intrusion").await?.refused(404, "not_a_member")?;
        person.create_event("Nowhere", "Intrusion").await?.refused(404, "calendar_not_found")?;
    }
    for person in [&world.viewer, &world.editor, &world.owner] {
        let all = person.get("/calendar/get_events").await?.expect(200)?;
        assert!(all.text.contains(SECRET) && !all.text.contains(&world.foreign_event), "{}", all.text);
        let calendars = person.get("/calendar/calendars").await?.expect(200)?;
        assert_eq!(calendars["calendars"].as_array().map(Vec::len), Some(1));
    }
    // Sessions: somebody else's look like none at all.
    let sessions = world.owner.get("/user/sessions").await?.expect(200)?;
    let theirs = sessions.text_at("/sessions/0/session_id")?;
    let foreign = world.stranger.delete(&format!("/user/sessions/{theirs}")).await?;
    let absent = world.stranger.delete(&format!("/user/sessions/{ABSENT_ID}")).await?;
    let malformed = world.stranger.delete("/user/sessions/none").await?;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    assert_eq!(anonymous(&foreign), anonymous(&absent));
    assert_eq!(anonymous(&absent), anonymous(&malformed));
    world.owner.get("/calendar/calendars").await?.expect(200)?;
    Ok(())
}
