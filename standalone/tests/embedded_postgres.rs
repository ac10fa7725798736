//! The embedded server through everything that can happen to it and to us.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::{Connection, PgConnection};
use standalone::data_dir::DataDir;
use standalone::postgres::{ALL, AUTH, Cluster};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

/// A place that the account which runs the server for root may enter.
fn place() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("ours");
    folder
}

async fn start(folder: &Path) -> (DataDir, Cluster) {
    let data_dir = DataDir::open(folder).expect("free");
    let cluster = Cluster::open(&data_dir, None).await.expect("created");
    cluster.ensure().await.expect("started");
    (data_dir, cluster)
}

async fn note(cluster: &Cluster, text: &str) -> Vec<String> {
    let mut auth = PgConnection::connect(&cluster.url(AUTH)).await.expect("it answers");
    sqlx::raw_sql("create table if not exists note (text text)").execute(&mut auth).await.expect("ours");
    sqlx::query("insert into note values ($1)").bind(text).execute(&mut auth).await.expect("room");
    sqlx::query_scalar("select text from note order by text").fetch_all(&mut auth).await.expect("there")
}

fn postmaster(folder: &Path) -> Pid {
    let record = fs::read_to_string(folder.join("postgres/postmaster.pid")).expect("it runs");
    let pid = record.lines().next().expect("a first line").parse().expect("a process id");
    Pid::from_raw(pid).expect("not zero")
}

#[tokio::test]
async fn data_outlive_a_restart_and_the_server_does_not_outlive_a_stop() {
    let folder = place();
    let (data_dir, cluster) = start(folder.path()).await;
    note(&cluster, "1 first run").await;
    cluster.stop(PATIENCE).await;
    assert!(!folder.path().join("postgres/postmaster.pid").exists(), "ended in order");
    drop(data_dir);

    let (_data_dir, cluster) = start(folder.path()).await;
    assert_eq!(note(&cluster, "2 second run").await, ["1 first run", "2 second run"]);
    cluster.stop(PATIENCE).await;
}

#[tokio::test]
async fn writes_are_durable_and_nothing_listens_on_the_network() {
    let folder = place();
    let (_data_dir, cluster) = start(folder.path()).await;
    let mut auth = PgConnection::connect(&cluster.url(AUTH)).await.expect("it answers");
    let settings: Vec<(String, String)> = sqlx::query_as(
        "select name, setting from pg_settings where name in \
         ('fsync', 'full_page_writes', 'listen_addresses', 'synchronous_commit') order by name",
    )
    .fetch_all(&mut auth)
    .await
    .expect("settings");
    let values: Vec<_> = settings.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["on", "on", "", "on"], "{settings:?}");
    let sockets = fs::metadata(cluster.socket_folder()).expect("it is there").permissions();
    assert_eq!(sockets.mode() & 0o777, 0o700);
    for database in ALL {
        PgConnection::connect(&cluster.url(database)).await.expect("each has its own");
    }
    let foreign = cluster.url(AUTH).replace("/auth?", "/calendar?");
    let refused = PgConnection::connect(&foreign).await.expect_err("one role, one database");
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    cluster.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_server_left_running_is_adopted() {
    let folder = place();
    let (data_dir, cluster) = start(folder.path()).await;
    let before = postmaster(folder.path());
    note(&cluster, "1 before").await;
    // What a kill -9 of this process leaves: the lock is free, the server runs.
    drop((data_dir, cluster));

    let (_data_dir, cluster) = start(folder.path()).await;
    assert_eq!(postmaster(folder.path()), before, "the same server");
    assert_eq!(note(&cluster, "2 after").await.len(), 2);
    cluster.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_what_it_had_committed() {
    let folder = place();
    let (_data_dir, cluster) = start(folder.path()).await;
    for round in 0..3 {
        note(&cluster, &format!("{round}")).await;
        kill_process(postmaster(folder.path()), Signal::KILL).expect("it runs");
        cluster.ensure().await.expect("started again");
    }
    assert_eq!(note(&cluster, "last").await, ["0", "1", "2", "last"]);
    cluster.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_server_that_dies_while_tended_comes_back() {
    let folder = place();
    let (_data_dir, cluster) = start(folder.path()).await;
    note(&cluster, "1 before").await;
    let before = postmaster(folder.path());
    kill_process(before, Signal::KILL).expect("it runs");
    let back = async {
        while PgConnection::connect(&cluster.url(AUTH)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = cluster.tend() => unreachable!("it never returns"),
        () = async { tokio::time::timeout(PATIENCE, back).await.expect("back in time") } => {}
    }
    assert_ne!(postmaster(folder.path()), before);
    assert_eq!(note(&cluster, "2 after").await.len(), 2);
    cluster.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_broken_start_says_why_in_one_line() {
    let folder = place();
    let (_data_dir, cluster) = start(folder.path()).await;
    cluster.stop(PATIENCE).await;
    let settings = folder.path().join("postgres/postgresql.conf");
    fs::write(&settings, "shared_buffers = a lot\n").expect("as its owner or root");
    let refused = cluster.ensure().await.expect_err("a bad setting").to_string();
    assert!(refused.contains("postgresql.conf") && !refused.contains('\n'), "{refused}");
}

/// Everything above once more as a normal user, when the tests run as root.
#[test]
fn the_same_as_a_normal_user() {
    const NOBODY: u32 = 65534;
    if !geteuid().is_root() {
        return;
    }
    let folder = place();
    let home = folder.path().join("home");
    fs::create_dir(&home).expect("a folder");
    chown(&home, Some(NOBODY), Some(NOBODY)).expect("we are root");
    // Under a name of its own and outside of a home that `nobody` may not enter.
    let program = folder.path().join("tests");
    fs::copy(std::env::current_exe().expect("it runs"), &program).expect("a copy");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("ours");
    let output = Command::new(&program)
        .args(["--skip", "the_same_as_a_normal_user"])
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir(&home)
        .env("TMPDIR", &home)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("6 passed"), "{text}");
}
