//! Every instance of a service frozen at once: clients hear so at once, and when to come back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use system_tests::{door::Answer, fleet::Fleet, person::Person, scene::Scene, wait::until};

use super::faults::comes_back;

/// Half of what one call may take: whoever answers within it has asked nobody.
const AT_ONCE: Duration = Duration::from_secs(1);
const READS: usize = 20;
const GO_ON: Duration = Duration::from_secs(15);

pub(super) async fn where_all_are_out_clients_hear_so_at_once(fleet: &Fleet, scene: &Scene) -> Result<()> {
    let door = fleet.ways()?.door(0)?.clone();
    let reader = Person::login(&door, "reader").await?;
    ensure!(told_at_once(&reader).await.is_err(), "nobody is out yet");
    fleet.freeze_all_calendars()?;
    // The breakers open one after the other.
    let told = until("to be told at once", async || told_at_once(&reader).await.ok()).await;
    let mut all = Vec::new();
    for _ in 0..READS {
        all.push(told_at_once(&reader).await);
    }
    fleet.heal()?;
    told?;
    for one in all {
        one.context("while all are out")?;
    }
    comes_back(fleet, &reader).await.context("after all were out")?;
    scene.crew().goes_on(GO_ON).await.context("after all were out")
}

/// A read that is refused as it should be, without waiting for anybody.
async fn told_at_once(reader: &Person) -> Result<Answer> {
    let read = reader.call(Method::GET, "/calendar/calendars").within(AT_ONCE);
    let answer = read.send().await?.refused(503, "unavailable")?;
    let after = answer.header("retry-after").and_then(|after| after.parse::<u64>().ok());
    ensure!(after.is_some_and(|seconds| seconds >= 1), "{answer:?}");
    Ok(answer)
}
