//! Who is removed, or logged out, on one instance is refused on every other one; a stranger on all of them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use system_tests::{
    fleet::{EACH, Fleet},
    person::Person,
    room::Room,
    socket::End,
    wait::until_within,
};

const CALENDAR: &str = "Tenants";
/// In what only members may read.
const SECRET: &str = "xyzzy";
/// CONTRACTS, logout: one second; a busy machine is given one more.
const DEAD: Duration = Duration::from_secs(2);

/// A calendar with two members, one of whom is to go, each in its room on every instance.
struct House {
    owner: Person,
    leaving: Person,
    calendar_id: String,
    event_id: String,
    owners: Vec<Room>,
    leavings: Vec<Room>,
}

pub(super) async fn every_instance_refuses_who_may_not(fleet: &Fleet) -> Result<()> {
    let house = House::open(fleet).await?;
    let stranger = fleet.only(0)?.person("stranger").await?;
    house.must_be_refused_everywhere(fleet, &stranger).await.context("a stranger")?;
    // Negative control: a member is not refused, nor deaf.
    ensure!(house.must_be_refused_everywhere(fleet, &house.leaving).await.is_err(), "a member is refused");
    let seq = house.is_told_everywhere("before").await?;
    try_join_all(house.leavings.iter().map(|room| room.reaches(seq))).await?;
    ensure!(house.leavings.iter().all(|room| hears(room, "before")), "a member hears nothing");

    // Removed on the first instance.
    let path = format!("/calendar/calendars/{}/members/{}", house.calendar_id, house.leaving.name);
    house.owner.delete(&path).await?.expect(204)?;
    house.must_be_refused_everywhere(fleet, &house.leaving).await.context("a former member")?;
    house.is_told_everywhere("after").await?;
    for (n, room) in house.leavings.iter().enumerate() {
        // An answer after it proves that what was sent before has arrived.
        let said = json!({ "calendar_name": CALENDAR, "message": "may I?" });
        room.socket.refused("message", said, "calendar_not_found").await?;
        ensure!(!hears(room, "after"), "a former member hears the room on instance {n}");
    }

    // Logged out on the last one.
    house.leaving.at(&fleet.only(EACH - 1)?).logout().await?.expect(204)?;
    for n in 0..EACH {
        let person = house.leaving.at(&fleet.only(n)?);
        let dead = until_within(DEAD, "the end of a token", async || {
            (person.get("/calendar/calendars").await.ok()?.status == 401).then_some(())
        });
        dead.await.with_context(|| format!("on instance {n}"))?;
        ensure!(house.leavings[n].socket.end().await? == End::Closed(4401), "on instance {n}");
        house.owner.at(&fleet.only(n)?).get("/calendar/calendars").await?.expect(200)?;
    }
    Ok(())
}

fn hears(room: &Room, text: &str) -> bool {
    room.frames().iter().any(|frame| frame["message"] == format!("{SECRET} {text}"))
}

// === impl House ===

impl House {
    async fn open(fleet: &Fleet) -> Result<Self> {
        let (owner, leaving) =
            (fleet.only(0)?.person("owner").await?, fleet.only(1)?.person("leaving").await?);
        let calendar_id = owner.create_calendar(CALENDAR).await?;
        let name = format!("{SECRET} name");
        let event = owner.create_event(CALENDAR, &name).await?.expect(201)?;
        let event_id = event.text_at("/event/event_id")?;
        let doors = (0..EACH).map(|n| fleet.only(n)).collect::<Result<Vec<_>>>()?;
        // The first join makes a member; the others are of one.
        leaving.join(CALENDAR).await?;
        let join = async |person: &Person| {
            try_join_all(doors.iter().map(async |door| person.at(door).join(CALENDAR).await)).await
        };
        let (owners, leavings) = (join(&owner).await?, join(&leaving).await?);
        Ok(Self { owner, leaving, calendar_id, event_id, owners, leavings })
    }

    /// Whatever can be read of the calendar, asked of each instance.
    async fn must_be_refused_everywhere(&self, fleet: &Fleet, person: &Person) -> Result<()> {
        let calendar = format!("/calendar/calendars/{}", self.calendar_id);
        let parts = ["events", "changes", "messages", "members"];
        let mut reads: Vec<_> =
            parts.iter().map(|part| (format!("{calendar}/{part}"), "calendar_not_found")).collect();
        reads.push((format!("/calendar/events/{}", self.event_id), "event_not_found"));
        for n in 0..EACH {
            let person = person.at(&fleet.only(n)?);
            for (path, code) in &reads {
                let answer = person.get(path).await?;
                ensure!(!answer.text.contains(SECRET), "instance {n} leaks {path}: {}", answer.text);
                answer.refused(404, code).with_context(|| format!("instance {n} {path}"))?;
            }
            let list = person.get("/calendar/calendars").await?.expect(200)?;
            ensure!(list["calendars"] == json!([]), "instance {n}: {}", list.text);
        }
        Ok(())
    }

    /// The owner says it on the first instance, and hears it on each.
    async fn is_told_everywhere(&self, text: &str) -> Result<i64> {
        let seq = self.owners[0].say(&format!("{SECRET} {text}")).await?;
        try_join_all(self.owners.iter().map(|room| room.reaches(seq))).await?;
        Ok(seq)
    }
}
