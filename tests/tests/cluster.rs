//! Several instances of everything, as `make cluster` starts them. One start is enough for all: it takes a minute.

mod dashboards;
mod kills;
mod rolling;

use anyhow::{Result, ensure};
use system_tests::{cluster::Cluster, scene::Scene, ways::Ways};

/// Acknowledged in all, at least: a second's work of both for each fault.
const ENOUGH: usize = 500;

/// What is shown comes first, of a system that works; then its parts are killed, which gives every service to this
/// process; then they are restarted in order, under the same load and in the same ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_shows_how_it_is_and_outlives_each_of_its_parts() -> Result<()> {
    let cluster = Cluster::start("cluster").await?;
    dashboards::every_query_has_a_series(&cluster).await?;
    let scene = Scene::set("cluster", &Ways::into(&cluster)?, cluster.truth()?).await?;
    let killed = kills::nothing_is_lost_by_any_kill(&cluster, &scene).await;
    let restarted = rolling::nothing_fails_while_everything_restarts(&cluster, &scene).await;
    let ended = scene.end(ENOUGH).await;
    let said = nobody_logged_an_error(&cluster);
    // Whatever else went wrong is worth seeing too.
    let wrong: Vec<_> = [killed, restarted, ended, said].into_iter().filter_map(Result::err).collect();
    ensure!(wrong.is_empty(), "{wrong:#?}");
    cluster.end();
    Ok(())
}

fn nobody_logged_an_error(cluster: &Cluster) -> Result<()> {
    let mut errors = cluster.errors()?;
    // The library that speaks with RabbitMQ takes the end of a connection for an error.
    errors.retain(|line| !line.contains("\"target\":\"lapin::"));
    let first = &errors[..errors.len().min(8)];
    ensure!(errors.is_empty(), "{} errors were logged: {first:#?}", errors.len());
    Ok(())
}
