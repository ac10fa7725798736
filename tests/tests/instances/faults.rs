//! One instance of each service frozen, slowed, cut off, and back, while two people work and others read.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use system_tests::{
    fleet::{Fault, Fleet},
    instance::Instance,
    person::Person,
    scene::Scene,
    wait::until_within,
};

use super::readers::{Readers, reads};

/// From a fault until both have done everything anew: who talks to an instance that stopped waits longest.
const GO_ON: Duration = Duration::from_secs(15);
/// PROMISES says five from the end of the fault; a busy machine is given twice that.
const HEALED: Duration = Duration::from_secs(10);
/// Reads that say something of shares.
const MANY: usize = 300;
/// Reads that say that an instance is called as the others are.
const SOME: f64 = 10.0;

pub(super) async fn nobody_but_writers_notices(fleet: &Fleet, scene: &Scene) -> Result<()> {
    let crew = scene.crew();
    crew.goes_on(GO_ON).await.context("before any fault")?;
    let reader = fleet.ways()?.door(0)?.person("reader").await?;
    // Negative control: where nobody is hurt, the victims have more than is left to them then.
    let calm = Readers::start(fleet, &reader).await?;
    calm.more(MANY).await?;
    let calm = calm.stop().await?;
    ensure!(calm.must_be_answered().is_ok() && calm.must_be_undisturbed().is_err(), "{calm:?}");
    let mut wrong = Vec::new();
    for fault in [Fault::Frozen, Fault::Slow, Fault::CutOff] {
        let before = crew.failures().len();
        let readers = Readers::start(fleet, &reader).await?;
        readers.more(SOME as usize).await?;
        scene.is_busy().await?;
        fleet.hurt(fault)?;
        if let Err(error) = crew.goes_on(GO_ON).await {
            wrong.push(format!("{fault:?}: {error:#}"));
        }
        readers.more(MANY).await?;
        let reading = readers.stop().await?;
        println!("{fault:?}: {reading:?}");
        if let Err(error) = reading.must_be_undisturbed() {
            wrong.push(format!("{fault:?}: {error:#}"));
        }
        let failures = crew.failures().split_off(before);
        println!("{fault:?}: {} repeats {failures:#?}", failures.len());
        let unknown = failures.iter().filter(|failure| !is_allowed(failure));
        wrong.extend(unknown.map(|failure| format!("{fault:?}: {failure}")));

        // Negative control: with nobody else to ask, the same readers notice.
        let alone = Readers::start(fleet, &reader.at(&fleet.only_victims()?)).await?;
        alone.more(SOME as usize).await?;
        fleet.heal()?;
        let alone = alone.stop().await?;
        let answered = alone.must_be_answered().is_ok();
        ensure!(answered == matches!(fault, Fault::Slow), "{fault:?} befell nobody: {alone:?}");

        comes_back(fleet, &reader).await.with_context(|| format!("after {fault:?}"))?;
        crew.goes_on(GO_ON).await.with_context(|| format!("after {fault:?}"))?;
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// Reads go on everywhere, and the victims have their share again.
pub(super) async fn comes_back(fleet: &Fleet, reader: &Person) -> Result<()> {
    let readers = Readers::start(fleet, reader).await?;
    for victim in fleet.victims() {
        let count = async || reads([victim].into_iter()).await;
        let before = until_within(HEALED, "its figures", async || count().await.ok()).await?;
        let healed =
            until_within(HEALED, "its share", async || (count().await.ok()? >= before + SOME).then_some(()));
        healed.await.with_context(|| Instance::name(victim))?;
    }
    readers.stop().await?.must_be_answered()
}

/// A read is answered by somebody else. A write that was on its way hears that nobody knows, or that it was undone,
/// and finds when it is repeated that it was not; who talks hears nothing, or cannot connect for a moment.
fn is_allowed(failure: &str) -> bool {
    let (who, how) = failure.split_once(": ").unwrap_or_default();
    match who.split_once('-').map(|(kind, _)| kind) {
        Some("event") => ["503 ", "504 "].iter().any(|start| how.starts_with(start)),
        Some("edit") => ["503 ", "504 ", "412 "].iter().any(|start| how.starts_with(start)),
        Some("message") => ["no ack", "no upgrade: 503", "{"].iter().any(|start| how.starts_with(start)),
        _ => false,
    }
}
