//! Every query of the dashboards and alerts in `grafana/` returns a series on a system that works.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use system_tests::{
    cluster::Cluster,
    door::Door,
    folder,
    person::{PASSWORD, Person, event},
    wait::{until, until_within},
};
use tokio_tungstenite::tungstenite::Message;

/// From the first request until the last query has a series: Prometheus begins to look after five seconds.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn every_query_has_a_series(cluster: &Cluster) -> Result<()> {
    let prometheus = cluster.prometheus()?;
    let absent = absent(cluster)?;
    let mut silent = panels(&absent)?;
    ensure!(silent.len() > 50, "{} queries only", silent.len());
    silent.extend(alerts(&prometheus, &absent).await?);

    // Negative control: not everything has a series.
    ensure!(!has_series(&prometheus, "a_metric_that_nobody_counts").await?, "anything has a series");

    let mut round = 0;
    let watched = until_within(PATIENCE, "a series for every query", async || {
        round += 1;
        if let Err(error) = work(cluster, round).await {
            return Some(Err(error));
        }
        let mut still = Vec::new();
        for (name, query) in silent.drain(..) {
            match has_series(&prometheus, &query).await {
                Ok(true) => {}
                Ok(false) => still.push((name, query)),
                Err(error) => return Some(Err(error.context(query))),
            }
        }
        silent = still;
        silent.is_empty().then_some(Ok(()))
    });
    match watched.await {
        Ok(worked) => worked?,
        Err(late) => bail!("{late:#}, after {round} rounds of work: {silent:#?}"),
    }

    ensure!(!has_series(&prometheus, "up < 1").await?, "an instance is down");
    let firing = firing(&prometheus).await?;
    ensure!(firing.is_empty(), "a system that works raises {firing:?}");

    // A killed instance shows in what its alert asks.
    cluster.kill("calendar-2").await?;
    let down = r#"up{job="calendar", instance="calendar-2"} < 1"#;
    until("the killed instance", async || has_series(&prometheus, down).await.ok().filter(|down| *down))
        .await?;
    cluster.revive("calendar-2").await
}

/// The services of the topology that do not run here. What is named after them is not asked.
fn absent(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let topology = fs::read_to_string(folder::repository().join("scripts/cluster/topology"))?;
    let services = topology.lines().filter(|line| !line.starts_with('#'));
    let services = services.filter_map(|line| line.split_whitespace().next());
    let absent = services.filter(|service| !cluster.has(service));
    Ok(absent.map(str::to_owned).collect())
}

/// The queries of all panels, each with the name of its place.
fn panels(absent: &BTreeSet<String>) -> Result<Vec<(String, String)>> {
    let mut queries = Vec::new();
    for file in fs::read_dir(folder::repository().join("grafana/dashboards"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|it| it != "json") || absent.contains(&name) {
            continue;
        }
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        for panel in dashboard["panels"].as_array().context("no panels")? {
            for target in panel["targets"].as_array().context("no queries")? {
                let place = format!("{name}: {} {}", panel["title"], target["refId"]);
                let query = target["expr"].as_str().context("no expression")?;
                queries.push((place, query.replace("$__rate_interval", "20s").replace("$instance", ".*")));
            }
        }
    }
    Ok(queries)
}

/// What the alerts look at: their expressions up to the comparison.
async fn alerts(prometheus: &Door, absent: &BTreeSet<String>) -> Result<Vec<(String, String)>> {
    let mut queries = Vec::new();
    for group in groups(prometheus).await? {
        if group["name"].as_str().is_some_and(|name| absent.contains(name)) {
            continue;
        }
        for rule in group["rules"].as_array().context("no rules")? {
            let name = format!("alert {}", rule["name"]);
            let query = rule["query"].as_str().context("no query")?;
            let compared = [" > ", " < "].into_iter().filter_map(|than| query.rsplit_once(than));
            let mut compared = compared.filter(|(_, number)| number.parse::<f64>().is_ok());
            let (looked_at, _) =
                compared.next().with_context(|| format!("{name} compares nothing: {query}"))?;
            queries.push((name, looked_at.to_owned()));
        }
    }
    ensure!(!queries.is_empty(), "no alerts");
    Ok(queries)
}

async fn firing(prometheus: &Door) -> Result<Vec<Value>> {
    let groups = groups(prometheus).await?;
    let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    Ok(rules.filter(|rule| rule["state"] == "firing").map(|rule| rule["name"].clone()).collect())
}

async fn groups(prometheus: &Door) -> Result<Vec<Value>> {
    let rules = prometheus.get("/api/v1/rules").await?.expect(200)?;
    Ok(rules.body["data"]["groups"].as_array().context("no groups")?.clone())
}

/// Whether the query has a series with a number.
async fn has_series(prometheus: &Door, query: &str) -> Result<bool> {
    let url = Url::parse_with_params("http://prometheus/api/v1/query", [("query", query)])?;
    let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let answer = prometheus.get(&path).await?.expect(200)?;
    let series = answer.body["data"]["result"].as_array().context("no result")?;
    let number = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
    Ok(series.iter().filter_map(number).any(f64::is_finite))
}

/// A little of everything that is counted.
async fn work(cluster: &Cluster, round: usize) -> Result<()> {
    let (one, other) = (cluster.door(0)?, cluster.door(1)?);
    let ann = one.person(&format!("ann{round}")).await?;
    let bob = other.person(&format!("bob{round}")).await?;
    let wrong = json!({ "username": ann.name, "password": PASSWORD.to_uppercase() });
    one.post("/user/login", wrong).await?.expect(401)?;

    let calendar = format!("Family {round}");
    let id = ann.create_calendar(&calendar).await?;
    let by_ann = ann.join(&calendar).await?;
    let by_bob = bob.join(&calendar).await?;
    by_bob.say("hello").await?;
    by_ann.create_event("Dinner").await?;
    let mut with_bob = event(&calendar, "Breakfast");
    with_bob["participants"] = json!([bob.name]);
    ann.post("/calendar/create_event", with_bob).await?.expect(201)?;
    ann.get("/calendar/get_events").await?.expect(200)?;
    ann.get(&format!("/calendar/calendars/{id}/changes?since=0")).await?.expect(200)?;
    // Closed by the service: the room speaks text.
    by_ann.socket.send_raw(Message::binary("hello")).await?;

    if cluster.has("notification") {
        // Nobody listens there: the attempt is counted all the same.
        ann.post("/timers", json!({ "seconds": 1, "url": "http://127.0.0.1:9/" })).await?.expect(201)?;
    }
    if cluster.has("activity") {
        train(&ann).await?;
    }
    bob.call(Method::DELETE, "/user").json(&json!({ "password": PASSWORD })).send().await?.expect(204)?;
    Ok(())
}

/// Forty minutes of it, which a rule congratulates on.
async fn train(person: &Person) -> Result<()> {
    for (kind, minutes_ago) in [("training_program_started", 40), ("training_program_finished", 0)] {
        let timestamp = Timestamp::now() - SignedDuration::from_mins(minutes_ago);
        let details = json!({ "programId": "2352" });
        let event = json!({ "deviceId": "watch", "type": kind, "timestamp": timestamp.to_string(), "details": details });
        person.post("/v1/event", event).await?.expect(202)?;
    }
    Ok(())
}
