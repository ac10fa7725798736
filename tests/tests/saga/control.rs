//! The checks of this folder turn red when they should.

use anyhow::Result;
use system_tests::wait::until;

use super::{lane::Lane, reader::Reader};

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_missing_is_noticed() -> Result<()> {
    let lane = Lane::open("saga-missing").await?;
    lane.is_open().await?;
    lane.ann.post("/calendar/create_event", Lane::event("Family", "Dinner")).await?.expect(201)?;
    lane.is_over_in_time().await?;
    let lost = "delete from participants where account_id = (select account_id from accounts where username = 'bob')";
    sqlx::query(lost).execute(lane.truth.auth()).await?;
    let noticed = lane.is_over_in_time().await;
    assert!(matches!(&noticed, Err(error) if error.to_string().contains("lacks")), "{noticed:?}");
    lane.close().await
}

/// A stand-in for an undo that forgets the participants.
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_skipped_is_noticed() -> Result<()> {
    let mut lane = Lane::open("saga-skipped").await?;
    lane.restart("saga.t3.before=1*refuse;saga.release.before=hang").await?;
    lane.is_open().await?;
    let dinner = Lane::event("Family", "Dinner");
    lane.ann.post("/calendar/create_event", dinner).await?.refused(503, "unavailable")?;
    lane.reaches("saga.release.before", 0).await?;
    for forgetful in ["update sagas set state = 'aborted'", "delete from events where state = 'pending'"] {
        sqlx::query(forgetful).execute(lane.truth.calendar()).await?;
    }
    let orphans = lane.truth.orphans().await?;
    assert_eq!(orphans.len(), 2, "{orphans:?}");
    assert_eq!(lane.truth.unfinished().await?.reserved, 2);
    lane.close().await
}

/// A stand-in for a server that shows what is pending.
#[tokio::test(flavor = "multi_thread")]
async fn a_ghost_is_noticed() -> Result<()> {
    let mut lane = Lane::open("saga-ghost").await?;
    lane.restart("saga.t3.before=1*refuse;saga.release.before=hang").await?;
    lane.is_open().await?;
    let reader = Reader::start(&lane.bob, &lane.calendar_id);
    let dinner = Lane::event("Family", "Dinner");
    lane.ann.post("/calendar/create_event", dinner).await?.refused(503, "unavailable")?;
    assert!(!reader.saw("Dinner"), "pending");
    sqlx::query("update events set state = 'confirmed', seq = 1").execute(lane.truth.calendar()).await?;
    until("the ghost", async || reader.saw("Dinner").then_some(())).await?;
    sqlx::query("delete from events").execute(lane.truth.calendar()).await?;
    let there = lane.truth.event_names().await?;
    assert_eq!(reader.ghosts(&there, 1).await?, ["Dinner"]);
    lane.close().await
}
