//! What follows an update, a deletion, a removal: the participants' records
//! follow the event, whatever dies on the way from the outbox to them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use system_tests::door::Answer;

use super::lane::{Failures, Fault, Lane, side_by_side};

const POINTS: [&str; 2] = ["auth.set.before", "auth.set.after"];

/// What takes Bob, or everybody, off the event.
#[derive(Clone, Copy, Debug)]
enum Change {
    Update,
    Deletion,
    Removal,
    CalendarDeletion,
}

/// A fresh calendar, and an event in it that both take part in.
struct Subject {
    calendar_id: String,
    event_id: String,
}

// === impl Change ===

impl Change {
    const ALL: [Self; 4] = [Self::Update, Self::Deletion, Self::Removal, Self::CalendarDeletion];

    async fn make(self, lane: &Lane, subject: &Subject) -> Result<Answer> {
        let Subject { calendar_id, event_id } = subject;
        match self {
            Self::Update => lane.ann.update_event(event_id, json!({ "participants": ["ann"] })).await,
            Self::Deletion => lane.ann.delete_event(event_id).await,
            Self::Removal => lane.ann.delete(&format!("/calendar/calendars/{calendar_id}/members/bob")).await,
            Self::CalendarDeletion => lane.ann.delete(&format!("/calendar/calendars/{calendar_id}")).await,
        }
    }

    /// What is left of the participants once it is done.
    fn leaves(self) -> Value {
        match self {
            Self::Update | Self::Removal => json!(["ann"]),
            Self::Deletion | Self::CalendarDeletion => Value::Null,
        }
    }
}

async fn subject(lane: &Lane, name: &str) -> Result<Subject> {
    lane.is_open().await?;
    let calendar_id = lane.ann.create_calendar(name).await?;
    lane.bob.join(name).await?;
    let made = lane.ann.post("/calendar/create_event", Lane::event(name, name)).await?.expect(201)?;
    lane.is_over_in_time().await?;
    Ok(Subject { calendar_id, event_id: made.text_at("/event/event_id")? })
}

/// With a fault: at this point of the delivery. Without: SIGKILL as soon as the answer is here.
async fn run(lane: &mut Lane, change: Change, name: &str, fault: Option<(&str, Fault)>) -> Result<()> {
    let subject = subject(lane, name).await?;
    let answer = if let Some((point, fault)) = fault {
        let before = lane.hits(point);
        lane.restart(&format!("{point}=1*{fault}")).await?;
        lane.is_open().await?;
        let answer = change.make(lane, &subject).await;
        lane.reaches(point, before).await?;
        if fault == Fault::Kill {
            lane.dies_and_restarts().await?;
        }
        answer
    } else {
        let answer = change.make(lane, &subject).await;
        lane.restart("").await?;
        answer
    };
    let took = lane.is_over_in_time().await?;
    let left = lane.ann.event(&subject.event_id).await?["participants"].clone();
    let status = answer.as_ref().map_or(0, |answer| answer.status);
    println!("{name}: {status}, over after {took:?}");
    // The point was reached, or the answer promised it: the change was committed.
    ensure!(matches!(status, 0 | 200 | 204), "answered {answer:?}");
    ensure!(left == change.leaves(), "answered {status}, left {left}");
    Ok(())
}

async fn run_all(change: Change) -> Result<Failures> {
    let mut lane = Lane::open(&format!("saga-{change:?}")).await?;
    let mut failures = Vec::new();
    let faults =
        POINTS.into_iter().flat_map(|point| Fault::ALL.into_iter().map(move |fault| Some((point, fault))));
    // Thrice: what has been done by the time of the answer is a matter of luck.
    for (n, fault) in faults.chain([None; 3]).enumerate() {
        let name = format!("{change:?} {n}");
        if let Err(error) = run(&mut lane, change, &name, fault).await {
            failures.push(format!("{name}, {fault:?}: {error:#}"));
        }
    }
    lane.program.must_have_logged_only(&[])?;
    lane.close().await?;
    Ok(failures)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_follow_every_change_whatever_dies_on_the_way() -> Result<()> {
    Box::pin(side_by_side(Change::ALL.map(run_all))).await
}
