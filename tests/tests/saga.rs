//! create_event: a crash, a hang and a refusal at every point, forward and back.
//!
//! Whatever happens: every saga ends, an event is visible exactly when every participant's record is there,
//! and nobody ever reads an event that is pending or was undone.

mod changes;
mod control;
mod create;
mod hang_and_refuse;
mod kill;
mod lane;
mod reader;
mod witness;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::future::join_all;
use serde_json::json;
use system_tests::{
    door::Door,
    ledger::{Ledger, Outcome},
    person::{Person, event},
};

/// A point on the way back is reached when something on the way forward is refused first.
const ON_THE_WAY_BACK: [&str; 3] = ["saga.abort", "saga.release", "saga.discard"];

/// Points of the peer, where "the answer is lost after it did it" happens.
const AT_THE_PEER: [&str; 6] = [
    "auth.reserve.before",
    "auth.reserve.after",
    "auth.confirm.before",
    "auth.confirm.after",
    "auth.release.before",
    "auth.release.after",
];

/// Every point, each with what must fail for it to be reached (empty: nothing).
fn points() -> Vec<(&'static str, &'static str)> {
    let points = calendar_service::saga::FAILPOINTS.into_iter().chain(AT_THE_PEER);
    let way = |point: &str| {
        let back = ON_THE_WAY_BACK.iter().any(|prefix| point.starts_with(prefix))
            || point.starts_with("auth.release");
        if back { "saga.t3.before" } else { "" }
    };
    points.map(|point| (point, way(point))).collect()
}

/// Three people in one calendar.
struct Family {
    people: [Person; 3],
    calendar_id: String,
}

// === impl Family ===

impl Family {
    async fn make(door: &Door) -> Result<Self> {
        let [ann, bob, carol] = ["ann", "bob", "carol"].map(|name| door.person(name));
        let people = [ann.await?, bob.await?, carol.await?];
        let calendar_id = people[0].create_calendar("Family").await?;
        for member in &people[1..] {
            member.join("Family").await?;
        }
        Ok(Self { people, calendar_id })
    }

    /// Each creates an event for all three, at once; every attempt is in the ledger.
    async fn create(&self, ledger: &Arc<Ledger>, name: &str) -> Result<()> {
        let creations = self.people.iter().map(|person| async move {
            let attempt = ledger.attempt(format!("{name}-{}", person.name))?;
            let mut body = event("Family", attempt.id());
            body["participants"] = json!(["ann", "bob", "carol"]);
            let status = person.post("/calendar/create_event", body).await.ok().map(|answer| answer.status);
            attempt.settle(Outcome::of_create(status));
            anyhow::Ok(())
        });
        join_all(creations).await.into_iter().collect()
    }

    /// Changes the participants of one event, deletes another, and has a third one's participant leave and
    /// come back: everything that goes to the peer forward only. Answers may be lost.
    async fn change_participants(&self, name: &str) -> Result<()> {
        let [ann, bob, carol] = &self.people;
        let events = ann.get("/calendar/get_events").await?.expect(200)?;
        let mut ids = events["events"]
            .as_array()
            .context("no events")?
            .iter()
            .rev()
            .filter_map(|event| event["event_id"].as_str());
        if let Some(id) = ids.next() {
            let _ = bob.update_event(id, json!({ "participants": ["bob"], "location": name })).await;
        }
        if let Some(id) = ids.next() {
            let _ = carol.delete_event(id).await;
        }
        let _ = ann.delete(&format!("/calendar/calendars/{}/members/carol", self.calendar_id)).await;
        Ok(())
    }

    /// Lets carol in again, who may be a member still.
    async fn readmit(&self) -> Result<()> {
        let path = format!("/calendar/calendars/{}/members/carol", self.calendar_id);
        self.people[0].patch(&path, json!({ "role": "editor" })).await?.expect(200)?;
        Ok(())
    }
}
