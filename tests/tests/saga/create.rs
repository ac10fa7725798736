//! Creating events while every step of the saga fails, once each.

use anyhow::{Result, ensure};
use calendar_service::saga::FAILPOINTS;
use system_tests::ledger::{Ledger, Outcome};

use super::{
    lane::{Failures, Fault, Lane, side_by_side},
    reader::Reader,
};

/// The participant's side of the same calls.
const PARTICIPANT: [&str; 6] = [
    "auth.reserve.before",
    "auth.reserve.after",
    "auth.confirm.before",
    "auth.confirm.after",
    "auth.release.before",
    "auth.release.after",
];
const BACK: [&str; 4] = ["saga.abort.", "saga.release.", "auth.release.", "saga.discard."];
const AFTER_T3: [&str; 4] = ["saga.t3.after", "saga.confirm.", "auth.confirm.", "saga.confirmed."];
const LANES: usize = 4;

/// One point, hit by one event.
#[derive(Clone, Debug)]
struct Case {
    point: &'static str,
    fault: Fault,
    /// For a point on the way back: what makes the saga turn.
    turn: &'static str,
}

// === impl Case ===

impl Case {
    fn all() -> Vec<Self> {
        let points = FAILPOINTS.into_iter().chain(PARTICIPANT);
        points
            .flat_map(|point| Fault::ALL.into_iter().map(move |fault| (point, fault)))
            .flat_map(|(point, fault)| {
                let turns: &[&str] = match (begins(point, &BACK), fault) {
                    (false, _) => &[""],
                    // Undone by whoever finds it past its deadline; never reserved; reserved.
                    (true, Fault::Kill) => {
                        &["saga.t3.before=1*hang", "saga.reserve.before=1*refuse", "saga.t3.before=1*refuse"]
                    }
                    (true, Fault::Hang | Fault::Refuse) => &["saga.t3.before=1*refuse"],
                };
                turns.iter().map(move |turn| Self { point, fault, turn })
            })
            .collect()
    }

    fn name(&self) -> String {
        format!("{}={} {}", self.point, self.fault, self.turn).trim_end().to_owned()
    }

    fn armed(&self) -> String {
        // The first refusal is tried again at once.
        let times =
            if self.point.starts_with("auth.reserve.") && self.fault == Fault::Refuse { 2 } else { 1 };
        format!("{};{}={times}*{}", self.turn, self.point, self.fault)
    }

    /// Whether the task that alone may do T3 hangs: until its deadline the outcome is open.
    fn is_unknown(&self) -> bool {
        let hangs = self.turn.is_empty() && self.fault == Fault::Hang && self.point.starts_with("saga.");
        self.turn.ends_with("hang") || (hangs && !self.is_there())
    }

    /// Whether the event is there in the end: T3 is the point of no return.
    fn is_there(&self) -> bool {
        begins(self.point, &AFTER_T3)
    }
}

fn begins(point: &str, any: &[&str]) -> bool {
    any.iter().any(|begin| point.starts_with(begin))
}

async fn create(lane: &Lane, ledger: &Ledger, name: &str) -> Result<Option<u16>> {
    let attempt = ledger.attempt(name)?;
    let answer = lane.ann.post("/calendar/create_event", Lane::event("Family", name)).await.ok();
    if let Some(answer) = &answer {
        let known = matches!(
            (answer.status, answer.code()),
            (201, _) | (503, "unavailable") | (504, "deadline_exceeded")
        );
        ensure!(known, "answered {} {}", answer.status, answer.text);
    }
    let status = answer.map(|answer| answer.status);
    attempt.settle(Outcome::of_create(status));
    Ok(status)
}

async fn run(lane: &mut Lane, ledger: &Ledger, case: &Case) -> Result<()> {
    let before = lane.hits(case.point);
    lane.restart(&case.armed()).await?;
    lane.is_open().await?;
    let name = case.name();
    let status = create(lane, ledger, &name).await?;
    lane.reaches(case.point, before).await?;
    if case.fault == Fault::Kill {
        lane.dies_and_restarts().await?;
    }
    let took = lane.is_over_in_time().await?;
    println!("{name}: {status:?}, over after {took:?}");
    let there = lane.truth.event_names().await?;
    ensure!(!case.is_unknown() || status != Some(503), "a promise about what nobody can know");
    ensure!(there.contains(&name) == case.is_there(), "is there: {}, after {status:?}", !case.is_there());
    let verdict = ledger.judge(&there);
    ensure!(verdict.is_clean(), "{verdict}");
    Ok(())
}

async fn run_all(name: String, cases: Vec<Case>) -> Result<Failures> {
    let mut lane = Lane::open(&name).await?;
    let ledger = Ledger::open(&name)?;
    let reader = Reader::start(&lane.bob, &lane.calendar_id);
    let mut failures = Vec::new();
    for case in &cases {
        if let Err(error) = run(&mut lane, &ledger, case).await {
            failures.push(format!("{}: {error:#}", case.name()));
        }
    }
    let there = lane.truth.event_names().await?;
    let ghosts = reader.ghosts(&there, cases.len()).await?;
    if !ghosts.is_empty() {
        failures.push(format!("read and not there: {ghosts:?}"));
    }
    ledger.judge(&there).must_be_clean(1)?;
    lane.program.must_have_logged_only(&[])?;
    lane.close().await?;
    Ok(failures)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_fails_at_any_step_is_over_and_leaves_no_orphan() -> Result<()> {
    let cases = Case::all();
    let lanes = (0..LANES).map(|n| {
        let mine = cases.iter().skip(n).step_by(LANES).cloned().collect();
        run_all(format!("saga-create-{n}"), mine)
    });
    side_by_side(lanes).await
}
