//! `docker-compose.yml`, without an engine: it holds together, says the same as `make cluster`, and tells the
//! services nothing that they do not know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_yaml_ng::Value;
use system_tests::{folder::repository, program};

/// What the programs hear of but do not list: libpq's name for the file with the database's password.
const FOREIGN: [&str; 1] = ["PGPASSFILE"];

/// One line of `scripts/cluster/topology`.
struct Part {
    service: String,
    program: String,
    instances: u64,
}

#[test]
fn what_is_named_is_there() -> Result<()> {
    let compose = compose()?;
    let declared = |kind: &str| keys(&compose[kind]);
    let (networks, volumes) = (declared("networks"), declared("volumes"));
    let mut used = BTreeSet::new();
    let services = services(&compose)?;
    for (name, service) in &services {
        let image = service["image"].as_str().with_context(|| format!("{name} has no image"))?;
        let built = !service["build"].is_null();
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        ensure!(built || tag.is_some_and(|tag| tag != "latest"), "{name}: {image} is not one version");
        for network in texts(&service["networks"]) {
            ensure!(networks.contains(&network), "{name}: no network {network}");
        }
        for volume in texts(&service["volumes"]) {
            let (source, _) = volume.split_once(':').with_context(|| format!("{name}: {volume}"))?;
            if let Some(path) = source.strip_prefix("./") {
                ensure!(repository().join(path).exists(), "{name}: no {path}");
            } else {
                ensure!(volumes.contains(source), "{name}: no volume {source}");
                used.insert(source.to_owned());
            }
        }
        for other in keys(&service["depends_on"]).into_iter().chain(texts(&service["depends_on"])) {
            ensure!(services.contains_key(&other), "{name} waits for {other}, which is not there");
        }
    }
    ensure!(used == volumes, "volumes that nobody uses: {:?}", volumes.difference(&used));
    ensure!(compose["networks"]["inside"]["internal"] == true, "the inner network leads out");
    Ok(())
}

#[test]
fn nothing_may_do_more_than_it_needs() -> Result<()> {
    for (name, service) in services(&compose()?)? {
        ensure!(service["read_only"] == true, "{name} can write to its image");
        ensure!(texts(&service["cap_drop"]) == ["ALL"], "{name} has capabilities");
        ensure!(
            texts(&service["security_opt"]).iter().any(|it| it.starts_with("no-new-privileges")),
            "{name} may gain privileges"
        );
        let limits = &service["deploy"]["resources"]["limits"];
        for limit in ["cpus", "memory", "pids"] {
            ensure!(!limits[limit].is_null(), "{name} has no limit of {limit}");
        }
        for port in texts(&service["ports"]) {
            ensure!(port.starts_with("127.0.0.1:"), "{name} is open to the world: {port}");
        }
        for variable in keys(&service["environment"]) {
            ensure!(!variable.contains("PASSWORD") || variable.ends_with("_FILE"), "{name}: {variable}");
        }
        // The one that makes the secrets: once, for a moment, without a network.
        let hands_out = name == "secrets";
        ensure!(service["healthcheck"].is_null() == hands_out, "{name}: health");
        ensure!((service["user"] == "root") == hands_out, "{name} is root");
        ensure!((service["network_mode"] == "none") == hands_out, "{name}: network");
    }
    Ok(())
}

#[test]
fn it_is_what_make_cluster_starts() -> Result<()> {
    let compose = services(&compose()?)?;
    let ours: Vec<_> = compose.iter().filter(|(_, service)| !service["build"].is_null()).collect();
    let topology = topology()?;
    ensure!(ours.len() == topology.len(), "Compose has {} services of ours", ours.len());
    let prometheus = text("grafana/prometheus/prometheus.yml")?;
    for part in topology {
        let service = compose.get(&part.service).with_context(|| format!("no {}", part.service))?;
        ensure!(
            service["deploy"]["replicas"].as_u64() == Some(part.instances),
            "instances of {}",
            part.service
        );
        ensure!(texts(&service["command"]) == [part.program.as_str(), "serve"], "{:?}", service["command"]);
        ensure!(
            texts(&service["healthcheck"]["test"]) == ["CMD", part.program.as_str(), "healthcheck"],
            "{:?}",
            service["healthcheck"]
        );
        let settings = format!("scripts/cluster/settings/{}.env", part.service);
        ensure!(service["env_file"] == settings.as_str(), "{:?}", service["env_file"]);
        ensure!(service["environment"].is_null(), "{} is told what make cluster does not know", part.service);
        let admin = variables(&settings)?.into_iter().find(|(name, _)| name.ends_with("_ADMIN_LISTEN"));
        let (_, admin) = admin.with_context(|| format!("{settings}: no admin listener"))?;
        let port = admin.rsplit(':').next().unwrap_or_default();
        let scraped = format!("names: [{}], type: A, port: {port},", part.service);
        ensure!(prometheus.contains(&scraped), "Prometheus does not look at {}: {scraped}", part.service);
    }
    Ok(())
}

#[test]
fn the_programs_know_what_they_are_told() -> Result<()> {
    let secrets = tempfile::tempdir()?;
    let made = Command::new(repository().join("scripts/cluster/secrets.sh")).arg(secrets.path()).status()?;
    ensure!(made.success(), "no secrets: {made}");
    let certs = repository().join("scripts/cluster/certs.sh");
    let made = Command::new(certs).arg(secrets.path().join("tls")).status()?;
    ensure!(made.success(), "no certificates: {made}");
    let mut asked = 0;
    for part in topology()? {
        let told = variables(&format!("scripts/cluster/settings/{}.env", part.service))?;
        for (name, value) in &told {
            if let Some(secret) = value.strip_prefix("/run/secrets/") {
                let file = match secret {
                    "pgpass" => format!("{}.pgpass", part.service),
                    "ca.crt" => "tls/ca.crt".to_owned(),
                    _ => secret.replace("tls.", &format!("tls/{}.", part.service)),
                };
                ensure!(secrets.path().join(&file).exists(), "nobody makes {file} for {name}");
            }
        }
        // A part of the topology whose program does not exist is left out there as well.
        let Ok(program) = program::binary(&part.program) else { continue };
        let known = known(&program)?;
        for name in told.keys() {
            ensure!(
                known.contains(name) || FOREIGN.contains(&name.as_str()),
                "{} does not know {name}",
                part.program
            );
        }
        ensure!(!known.contains("NO_SUCH_SETTING"), "{} knows anything", part.program);
        asked += 1;
    }
    ensure!(asked >= 3, "{asked} programs only");
    Ok(())
}

/// The variables in a program's help: `[env: NAME=value]` or `[env: NAME]`.
fn known(program: &Path) -> Result<BTreeSet<String>> {
    let help = Command::new(program).args(["serve", "--help"]).env_clear().output()?;
    ensure!(help.status.success(), "{} has no help", program.display());
    let help = String::from_utf8(help.stdout)?;
    let names = help.split("[env: ").skip(1);
    let name = |rest: &str| rest.split(['=', ']']).next().unwrap_or_default().to_owned();
    Ok(names.map(name).collect())
}

fn compose() -> Result<Value> {
    let mut compose: Value = serde_yaml_ng::from_str(&text("docker-compose.yml")?)?;
    compose.apply_merge()?;
    Ok(compose)
}

fn services(compose: &Value) -> Result<BTreeMap<String, Value>> {
    let services = compose["services"].as_mapping().context("no services")?;
    let named = |(name, service): (&Value, &Value)| Some((name.as_str()?.to_owned(), service.clone()));
    Ok(services.iter().filter_map(named).collect())
}

fn topology() -> Result<Vec<Part>> {
    let topology = text("scripts/cluster/topology")?;
    let lines = topology.lines().filter(|line| !line.starts_with('#'));
    let part = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (service, program) = (words.next()?, words.next()?);
        Some(Part { service, program, instances: words.next()?.parse().ok()? })
    };
    lines.map(|line| part(line).with_context(|| line.to_owned())).collect()
}

/// cargo wants every member of the workspace, and finds only what `.dockerignore` lets through.
#[test]
fn the_image_is_built_from_every_member() -> Result<()> {
    let (manifest, ignored) = (text("Cargo.toml")?, text(".dockerignore")?);
    let members = manifest.split_once("members = [").context("no members")?.1;
    let members = members.split_once(']').context("no end of the members")?.0;
    let let_through: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    ensure!(let_through.contains(&"proto"), "nothing is let through: {ignored}");
    for member in
        members.split(',').map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty())
    {
        let manifest = format!("{member}/Cargo.toml");
        let found = let_through.iter().any(|path| *path == member || *path == manifest);
        ensure!(found, "cargo would not find {member}");
    }
    Ok(())
}

/// The lines `NAME=value` of a settings file.
fn variables(file: &str) -> Result<BTreeMap<String, String>> {
    let text = text(file)?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    lines.map(|line| pair(line).with_context(|| format!("{file}: {line}"))).collect()
}

fn text(file: &str) -> Result<String> {
    fs::read_to_string(repository().join(file)).with_context(|| format!("cannot read {file}"))
}

fn keys(mapping: &Value) -> BTreeSet<String> {
    let mapping = mapping.as_mapping();
    mapping.into_iter().flatten().filter_map(|(name, _)| Some(name.as_str()?.to_owned())).collect()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_sequence();
    list.into_iter().flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}
