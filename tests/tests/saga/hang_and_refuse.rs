//! A step that never answers, although it may have been done, and a step that refuses.

use std::sync::Arc;

use anyhow::{Result, ensure};
use chassis::failpoint::{self, Action};
use system_tests::{ledger::Ledger, stack::Stack};

use super::{Family, points, witness::Witness};

/// Every point once with this action; the caller's requests run into it.
async fn survives(name: &str, action: Action) -> Result<()> {
    let stack = Stack::start().await?;
    let ledger = Arc::new(Ledger::open(name)?);
    let family = Family::make(stack.door()).await?;
    let witness = Witness::start(&family.people[1], &family.calendar_id);
    for (point, way) in points() {
        if !way.is_empty() {
            failpoint::set(way, Action::Refuse, Some(2));
        }
        failpoint::set(point, action, Some(1));
        family.create(&ledger, point).await?;
        stack.truth().must_be_whole().await.map_err(|error| error.context(point))?;
        ensure!(failpoint::left(point) == Some(0), "{point} was never reached");
        failpoint::clear(point);
        failpoint::clear(way);
    }
    for point in ["auth.set.before", "auth.set.after"] {
        failpoint::set(point, action, Some(1));
        family.change_participants(point).await?;
        family.readmit().await?;
        stack.truth().must_be_whole().await.map_err(|error| error.context(point))?;
        ensure!(failpoint::left(point) == Some(0), "{point} was never reached");
        failpoint::clear(point);
    }
    witness.must_have_seen_only_truth(stack.truth()).await?;
    let created = sqlx::query_scalar::<_, String>(
        "select payload::jsonb -> 'event' ->> 'event_name' from calendar_changes where kind = 'event_created'",
    );
    let created = created.fetch_all(stack.truth().calendar()).await?;
    ledger.judge(&created).must_be_clean(points().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_survives_silence_at_every_point() -> Result<()> {
    survives("saga_hang", Action::Hang).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_survives_refusal_at_every_point() -> Result<()> {
    survives("saga_refuse", Action::Refuse).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_keeps_failing_is_parked_and_not_dropped() -> Result<()> {
    let stack = Stack::start().await?;
    stack.expect_error("undoing a saga keeps failing");
    let ledger = Arc::new(Ledger::open("saga_parked")?);
    let family = Family::make(stack.door()).await?;
    failpoint::set("saga.t3.before", Action::Refuse, Some(3));
    failpoint::set("saga.release.before", Action::Refuse, None);
    family.create(&ledger, "parked").await?;
    let parked = "select count(*) from sagas where state = 'needs_attention'";
    system_tests::wait::until("a parked saga", async || {
        let count: i64 = sqlx::query_scalar(parked).fetch_one(stack.truth().calendar()).await.ok()?;
        (count == 3).then_some(())
    })
    .await?;
    let metrics = stack.metrics();
    assert!(metrics.contains("calendar_sagas_parked_total"), "no metric of it");
    failpoint::clear("saga.release.before");
    failpoint::clear("saga.t3.before");
    stack.truth().must_be_whole().await?;
    ledger.judge(&stack.truth().event_names().await?).must_be_clean(0)
}
