//! Three instances of each service, one of which does badly; more work than the limits take; and who may see what,
//! whichever instance is asked. One start is enough for all: it takes eleven processes.

mod all_out;
mod faults;
mod overload;
mod readers;
mod tenancy;

use anyhow::{Result, ensure};
use system_tests::{fleet::Fleet, scene::Scene, truth::Truth};

/// Acknowledged in all, at least: a second's work of both for each fault.
const ENOUGH: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn three_instances_bear_what_befalls_one_of_them_and_a_flood() -> Result<()> {
    let mut fleet = Fleet::start().await?;
    let tenancy = tenancy::every_instance_refuses_who_may_not(&fleet).await;
    let truth = Truth::of(fleet.stack().databases())?;
    let scene = Scene::set("instances", &fleet.ways()?, truth).await?;
    let hurt = faults::nobody_but_writers_notices(&fleet, &scene).await;
    let out = all_out::where_all_are_out_clients_hear_so_at_once(&fleet, &scene).await;
    let ended = scene.end(ENOUGH).await;
    let flood = overload::a_flood_is_refused_in_order(&fleet).await;
    let well = fleet.must_be_well();
    // Whatever else went wrong is worth seeing too.
    let results = [tenancy, hurt, out, ended, flood, well];
    let wrong: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}
