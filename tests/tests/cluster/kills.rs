//! kill -9 of each part in turn, while two people work: nothing is lost, and both go on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use system_tests::{cluster::Cluster, scene::Scene};
use tokio::time::Instant;

/// From a kill until both have done everything anew without the part that is gone.
const GO_ON: Duration = Duration::from_secs(10);
/// What is not a service. The primary is not among them: without it writes wait until a standby is made the primary.
const SERVERS: [&str; 4] = ["postgres-a", "redis", "rabbitmq", "prometheus"];
/// PROMISES: so often.
const KILLS: usize = 20;

pub(super) async fn nothing_is_lost_by_any_kill(cluster: &Cluster, scene: &Scene) -> Result<()> {
    let crew = scene.crew();
    crew.goes_on(GO_ON).await.context("before any kill")?;
    let instances = cluster.instances();
    let calendars = instances.iter().filter(|part| part.starts_with("calendar-")).cycle();
    let once = instances.iter().chain(&SERVERS);
    let mut wrong = Vec::new();
    for part in once.clone().chain(calendars).take(KILLS.max(once.count())) {
        let before = crew.failures().len();
        scene.is_busy().await?;
        cluster.kill(part).await?;
        let killed = Instant::now();
        if let Err(error) = crew.goes_on(GO_ON).await {
            wrong.push(format!("without {part}: {error:#}"));
        }
        let failures = crew.failures().split_off(before);
        println!("without {part}: on after {:?}; {} repeats {failures:#?}", killed.elapsed(), failures.len());
        // Only who was connected to it sees the end of a gateway; any other part has another one of its kind.
        if !part.starts_with("gateway-") {
            let reads = failures.iter().filter(|failure| failure.starts_with("read"));
            wrong.extend(reads.map(|read| format!("without {part}: {read}")));
        }
        cluster.revive(part).await?;
        // It has its share again: what comes next hits one of several that work.
        crew.goes_on(GO_ON).await.with_context(|| format!("with {part} again"))?;
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    // Negative control of what follows: who is killed says no goodbye, and that is seen.
    ensure!(!crew.failures().is_empty() && scene.cuts() > 0, "no kill hit anybody");
    Ok(())
}
