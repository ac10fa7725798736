//! docs/OPERATIONS.md names every setting, and no other.

use std::collections::BTreeSet;
use std::fs;

use clap::{Args, Command, CommandFactory as _};
use standalone::cli::Cli;

/// What a process alone decides about itself: where the services listen and find each other, and who a
/// terminal's person is.
const INSIDE: [&str; 18] = [
    "ACTIVITY_ADMIN_LISTEN",
    "ACTIVITY_GRPC_LISTEN",
    "ACTIVITY_URL",
    "AUTH_ADMIN_LISTEN",
    "AUTH_GRPC_LISTEN",
    "AUTH_URL",
    "CALENDAR_ADMIN_LISTEN",
    "CALENDAR_GRPC_LISTEN",
    "CALENDAR_SOCKET_LISTEN",
    "CALENDAR_SOCKET_URL",
    "CALENDAR_URL",
    "GATEWAY_ADMIN_LISTEN",
    "NOTIFICATION_ADMIN_LISTEN",
    "NOTIFICATION_GRPC_LISTEN",
    "NOTIFICATION_URL",
    "SERVICE_TOKEN_FILE",
    "TOKEN",
    "XDG_DATA_HOME",
];

/// What scripts and Compose ask for, and no program; and what tokio reads by itself.
const OF_OTHERS: [&str; 4] = ["CLUSTER_PORTS", "CLUSTER_TLS", "PRIMARY_HOST", "TOKIO_WORKER_THREADS"];

fn variables(command: &Command, into: &mut BTreeSet<String>) {
    let named = command.get_arguments().filter_map(|argument| argument.get_env());
    into.extend(named.map(|name| name.to_string_lossy().into_owned()));
    for inner in command.get_subcommands() {
        variables(inner, into);
    }
}

fn of_service<S: Args>(into: &mut BTreeSet<String>) {
    variables(&S::augment_args(Command::new("service")), into);
}

#[test]
fn every_setting_is_documented_and_every_documented_setting_exists() {
    let mut known = BTreeSet::new();
    variables(&Cli::command(), &mut known);
    of_service::<auth_service::Settings>(&mut known);
    of_service::<calendar_service::Settings>(&mut known);
    of_service::<notification_service::Settings>(&mut known);
    of_service::<activity_service::Settings>(&mut known);
    of_service::<gateway::config::Settings>(&mut known);

    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
    let page = fs::read_to_string(page).expect("the page");
    let shouted = |word: &&str| {
        // `…_DATABASE_URL` stands for several.
        let is_rest = word.starts_with('_');
        let is_one_word = matches!(*word, "LOG" | "INSTANCE" | "REGISTRATION");
        is_one_word || (!is_rest && word.trim_matches('_').contains('_'))
    };
    let named: BTreeSet<_> = page
        .split(|letter: char| !letter.is_ascii_uppercase() && letter != '_')
        .filter(shouted)
        .map(str::to_owned)
        .collect();

    let inside = INSIDE.map(str::to_owned).into();
    let missing: Vec<_> = known.difference(&named).filter(|name| !INSIDE.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/OPERATIONS.md: {missing:?}");
    let known: BTreeSet<_> = known.union(&inside).cloned().collect();
    let invented: Vec<_> =
        named.difference(&known).filter(|name| !OF_OTHERS.contains(&name.as_str())).collect();
    assert!(invented.is_empty(), "in docs/OPERATIONS.md, but no setting: {invented:?}");
}
