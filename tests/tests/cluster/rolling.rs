//! SIGTERM to each instance of each service in turn, under load: nobody notices.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use system_tests::{cluster::Cluster, scene::Scene};

const GO_ON: Duration = Duration::from_secs(10);

pub(super) async fn nothing_fails_while_everything_restarts(cluster: &Cluster, scene: &Scene) -> Result<()> {
    let crew = scene.crew();
    crew.goes_on(GO_ON).await.context("after the last kill")?;
    let cuts = scene.cuts();
    let mut noticed = Vec::new();
    for part in cluster.instances() {
        let before = crew.failures().len();
        scene.is_busy().await?;
        cluster.terminate(part).await?;
        crew.goes_on(GO_ON).await.with_context(|| format!("without {part}"))?;
        cluster.revive(part).await?;
        crew.goes_on(GO_ON).await.with_context(|| format!("with {part} again"))?;
        let failures = crew.failures().split_off(before).into_iter();
        noticed.extend(failures.map(|failure| format!("restart of {part}: {failure}")));
    }
    ensure!(noticed.is_empty(), "restarts were noticed: {noticed:#?}");
    ensure!(scene.cuts() == cuts, "sockets were cut without a goodbye");
    Ok(())
}
