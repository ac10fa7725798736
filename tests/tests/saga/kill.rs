//! kill -9 of the real process at every point.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use system_tests::{
    databases::Databases,
    ledger::Ledger,
    program::Program,
    truth::Truth,
    wait::{until, until_within},
};

use super::{Family, points, witness::Witness};

/// PROMISES: every saga ends within this of the last restart.
const FINAL_WITHIN: Duration = Duration::from_secs(10);

/// Points of later changes, forward only.
const FORWARD_ONLY: [&str; 2] = ["auth.set.before", "auth.set.after"];

/// Starts the program with one point armed to kill it, lets `act` run into it, and starts it again.
async fn die_at(program: &mut Program, arms: &str, act: impl Future<Output = Result<()>>) -> Result<()> {
    program.set("FAILPOINTS", arms);
    program.start().await?;
    let (ended, acted) = tokio::join!(program.ended(), act);
    acted?;
    ensure!(!ended?.success(), "{arms}: it ended well");
    program.unset("FAILPOINTS");
    program.start().await
}

async fn everything_ends(truth: &Truth, what: &str) -> Result<()> {
    let mut left = None;
    let ended = until_within(FINAL_WITHIN, "every saga's end", async || {
        left = truth.unfinished().await.ok();
        left.filter(system_tests::truth::Unfinished::is_nothing)
    });
    ended.await.map_err(|error| error.context(format!("{what}: {left:?}")))?;
    truth.must_be_whole().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_survives_death_at_every_point() -> Result<()> {
    let databases = Databases::fresh().await?;
    let truth = Truth::of(&databases)?;
    let ledger = Arc::new(Ledger::open("saga_kill")?);
    let mut program = Program::over("saga_kill", &databases)?;
    program.start().await?;
    let family = Family::make(&program.door()?).await?;
    let witness = Witness::start(&family.people[1], &family.calendar_id);
    program.kill().await?;

    for (point, way) in points() {
        let arms =
            if way.is_empty() { format!("{point}=kill") } else { format!("{way}=refuse;{point}=kill") };
        die_at(&mut program, &arms, family.create(&ledger, point)).await?;
        everything_ends(&truth, &arms).await?;
        program.kill().await?;
    }
    for point in FORWARD_ONLY {
        program.start().await?;
        family.create(&ledger, &format!("for-{point}")).await?;
        everything_ends(&truth, point).await?;
        let before = truth.event_names().await?;
        program.kill().await?;
        die_at(&mut program, &format!("{point}=kill"), family.change_participants(point)).await?;
        family.readmit().await?;
        everything_ends(&truth, point).await?;
        // Deleted meanwhile: no loss. Their names leave the ledger's truth with them.
        ensure!(truth.event_names().await?.len() >= before.len() - 1, "more than one event went");
        program.kill().await?;
    }

    witness.must_have_seen_only_truth(&truth).await?;
    let created = sqlx::query_scalar::<_, String>(
        "select payload::jsonb -> 'event' ->> 'event_name' from calendar_changes where kind = 'event_created'",
    );
    let created = created.fetch_all(truth.calendar()).await?;
    ledger.judge(&created).must_be_clean(6)?;
    program.must_have_logged_only(&[])?;
    drop(program);
    truth.close().await;
    databases.remove().await
}

/// The control: without the runner that undoes and the outbox that confirms — nobody starts the program
/// again — and with the semantic lock broken by hand, each check above turns red.
#[tokio::test(flavor = "multi_thread")]
async fn without_recovery_the_checks_turn_red() -> Result<()> {
    let databases = Databases::fresh().await?;
    let truth = Truth::of(&databases)?;
    let ledger = Arc::new(Ledger::open("saga_control")?);
    let mut program = Program::over("saga_control", &databases)?;
    program.start().await?;
    let family = Family::make(&program.door()?).await?;
    program.kill().await?;
    program.set("FAILPOINTS", "saga.reserve.before=kill");
    program.start().await?;
    family.create(&ledger, "stuck").await?;
    program.ended().await?;
    let left = truth.unfinished().await?;
    assert!(left.sagas > 0 && left.pending_events > 0 && !left.is_nothing(), "{left:?}");
    assert!(ledger.judge(&truth.event_names().await?).is_clean(), "pending is visible to nobody");

    sqlx::query("update events set state = 'confirmed'").execute(truth.calendar()).await?;
    assert!(!truth.orphans().await?.is_empty(), "a visible event without records");
    program.unset("FAILPOINTS");
    program.start().await?;
    let witness = Witness::start(&family.people[1], &family.calendar_id);
    let red = until("a witness of the undone", async || {
        witness
            .must_have_seen_only_truth(&truth)
            .await
            .is_err_and(|error| error.to_string().contains("undone"))
            .then_some(())
    });
    red.await?;
    drop(program);
    truth.close().await;
    databases.remove().await
}
