//! Who sees what: every actor × every route and frame × {own, foreign, absent, malformed}.
//!
//! Two tables hold the truth: [`routes::ROUTES`] for REST, [`frames::FRAMES`] for sockets. Everything that
//! must not leak carries [`SECRET`]; no answer to an outsider, and no frame on their sockets, may hold it.

mod frames;
mod routes;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use system_tests::{person::Person, room::Room, socket::Socket, stack::Stack};

/// In every name and text that only members may read.
const SECRET: &str = "xyzzy";
const CALENDAR: &str = "Family";
const FOREIGN: &str = "Others";
const ABSENT: &str = "Nowhere";
const ABSENT_ID: &str = "019a0000-0000-7000-8000-000000000000";

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actor {
    /// No token.
    Nobody,
    /// An account, never a member.
    Stranger,
    /// Was a member; removed by the owner.
    Former,
    Viewer,
    Editor,
    Owner,
}

/// What is acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The calendar that the actors are about.
    Own,
    /// One that is there, of somebody else.
    Foreign,
    /// One that is not there.
    Absent,
    /// No id at all.
    Malformed,
}

/// Least role that a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Read,
    Write,
    Rule,
}

const ACTORS: [Actor; 6] =
    [Actor::Nobody, Actor::Stranger, Actor::Former, Actor::Viewer, Actor::Editor, Actor::Owner];
const TARGETS: [Target; 4] = [Target::Foreign, Target::Absent, Target::Malformed, Target::Own];

/// The people and what they have, over one stack.
struct World {
    stack: Stack,
    stranger: Person,
    former: Person,
    viewer: Person,
    editor: Person,
    owner: Person,
    /// Owns the foreign calendar.
    other: Person,
    own_id: String,
    foreign_id: String,
    foreign_event: String,
}

// === impl Actor ===

impl Actor {
    /// What a member may; `None`: none.
    const fn may(self) -> Option<Need> {
        match self {
            Self::Nobody | Self::Stranger | Self::Former => None,
            Self::Viewer => Some(Need::Read),
            Self::Editor => Some(Need::Write),
            Self::Owner => Some(Need::Rule),
        }
    }
}

// === impl World ===

impl World {
    async fn make() -> Result<Self> {
        let stack = Stack::start().await?;
        let names = ["stranger", "former", "viewer", "editor", "owner", "other", "spare"];
        let people = futures::future::try_join_all(names.map(|name| stack.person(name))).await?;
        let [stranger, former, viewer, editor, owner, other, spare] =
            <[Person; 7]>::try_from(people).ok().context("seven people")?;
        let own_id = owner.create_calendar(CALENDAR).await?;
        let foreign_id = other.create_calendar(FOREIGN).await?;
        for member in [&former, &viewer, &editor, &spare] {
            member.join(CALENDAR).await?;
        }
        let member = |name: &str| format!("/calendar/calendars/{own_id}/members/{name}");
        owner.patch(&member("viewer"), json!({ "role": "viewer" })).await?.expect(200)?;
        owner.join(CALENDAR).await?.say(&format!("{SECRET} message")).await?;
        other.join(FOREIGN).await?.say(&format!("{SECRET} message")).await?;
        let foreign_event = event(&other, FOREIGN).await?;
        owner.delete(&member("former")).await?.expect(204)?;
        Ok(Self { stack, stranger, former, viewer, editor, owner, other, own_id, foreign_id, foreign_event })
    }

    fn person(&self, actor: Actor) -> Option<&Person> {
        match actor {
            Actor::Nobody => None,
            Actor::Stranger => Some(&self.stranger),
            Actor::Former => Some(&self.former),
            Actor::Viewer => Some(&self.viewer),
            Actor::Editor => Some(&self.editor),
            Actor::Owner => Some(&self.owner),
        }
    }

    fn calendar_id(&self, target: Target) -> &str {
        match target {
            Target::Own => &self.own_id,
            Target::Foreign => &self.foreign_id,
            Target::Absent => ABSENT_ID,
            Target::Malformed => "none",
        }
    }

    /// An event of the target; a new one of our own each time, because calls may delete it.
    async fn event_id(&self, target: Target) -> Result<String> {
        match target {
            Target::Own => event(&self.owner, CALENDAR).await,
            Target::Foreign => Ok(self.foreign_event.clone()),
            Target::Absent => Ok(ABSENT_ID.to_owned()),
            Target::Malformed => Ok("none".to_owned()),
        }
    }
}

/// A new event full of secrets; answers its id.
async fn event(owner: &Person, calendar: &str) -> Result<String> {
    let mut event = system_tests::person::event(calendar, &format!("{SECRET} name"));
    event["location"] = format!("{SECRET} place").into();
    event["description"] = format!("{SECRET} text").into();
    owner.post("/calendar/create_event", event).await?.expect(201)?.text_at("/event/event_id")
}

fn must_not_leak(what: &str, text: &str) -> Result<()> {
    ensure!(!text.contains(SECRET), "{what} leaks: {text}");
    Ok(())
}

/// What happens in a room is heard in no other, and by no outsider.
#[tokio::test(flavor = "multi_thread")]
async fn outsiders_hear_nothing() -> Result<()> {
    let world = World::make().await?;
    let outsiders: Vec<Socket> =
        futures::future::try_join_all([&world.stranger, &world.former, &world.other].map(Person::socket))
            .await?;
    let elsewhere = Room::join(world.other.socket().await?, FOREIGN).await?;
    // A former member who was in the room on an open connection.
    let room = world.owner.join(CALENDAR).await?;
    let viewer = world.viewer.join(CALENDAR).await?;
    let id = event(&world.owner, CALENDAR).await?;
    world.owner.update_event(&id, json!({ "location": format!("{SECRET} again") })).await?.expect(200)?;
    world.owner.delete_event(&id).await?.expect(204)?;
    let last = room.say(&format!("{SECRET} live")).await?;
    viewer.reaches(last).await?;
    // An answer after it proves that what was sent before has arrived.
    for socket in outsiders.iter().chain([&elsewhere.socket]) {
        socket.must("message", json!({ "message": "a word to all" })).await?;
        let heard = socket.heard(|heard| Value::from(heard.frames.clone()).to_string());
        must_not_leak("a socket", &heard)?;
    }
    Ok(())
}
