//! An undo that keeps failing is shown to a person and tried on, never dropped.

use anyhow::Result;
use chassis::failpoint::{self, Action};
use system_tests::{stack::Stack, wait::until};

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_keeps_failing_is_parked_and_not_dropped() -> Result<()> {
    let stack = Stack::start().await?;
    stack.expect_error("undoing a saga keeps failing");
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    failpoint::set("saga.t3.before", Action::Refuse, Some(1));
    failpoint::set("saga.release.before", Action::Refuse, None);
    ann.create_event("Family", "Dinner").await?.refused(503, "unavailable")?;
    until("a parked saga", async || {
        let parked = sqlx::query_scalar("select count(*) from sagas where state = 'needs_attention'");
        let count: i64 = parked.fetch_one(stack.truth().calendar()).await.ok()?;
        (count == 1).then_some(())
    })
    .await?;
    let metrics = stack.metrics();
    let parked = metrics.lines().find(|line| line.starts_with("calendar_sagas_parked_total{"));
    assert!(parked.is_some_and(|line| !line.ends_with(" 0")), "not counted: {parked:?}");
    ann.get("/calendar/get_events").await?.refused(404, "no_events")?;

    failpoint::clear("saga.release.before");
    stack.truth().must_be_whole().await?;
    assert!(stack.truth().event_names().await?.is_empty(), "it was undone");
    Ok(())
}
