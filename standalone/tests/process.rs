//! The real program: how it starts, what it says when it cannot, and how it ends.

mod running;
mod timers;

use std::fs;

use running::{Place, get, post};
use rustix::process::Signal;

#[tokio::test]
async fn it_starts_says_where_and_ends_in_order() {
    let place = Place::new();
    let mut running = place.start();
    running.wait_until_ready().await;
    assert!(running.told().contains(&format!("http://{}/docs", place.gateway)), "{}", running.told());
    assert!(get(place.gateway, "/calendar/status").await.starts_with("HTTP/1.1 200"));

    running.signal(Signal::TERM);
    assert_eq!(running.end().await, Some(0), "{}", running.told());
    assert!(place.server().is_none(), "its PostgreSQL ends with it");
    assert!(place.server_log().contains("database system is shut down"), "{}", place.server_log());
}

#[tokio::test]
async fn ctrl_c_reaches_the_whole_group_and_still_ends_in_order() {
    let place = Place::new();
    let mut running = place.start();
    running.wait_until_ready().await;
    // What a terminal does: every process of the group gets the signal.
    running.signal_group(Signal::INT);
    assert_eq!(running.end().await, Some(0), "{}", running.told());
    let log = place.server_log();
    assert_eq!(log.matches("shutdown request").count(), 1, "PostgreSQL hears of it from us alone: {log}");
}

#[tokio::test]
async fn after_kill_9_it_starts_at_once_with_everything() {
    let person = r#"{"username":"ann","password":"correct horse"}"#;
    let place = Place::new();
    let mut running = place.start();
    running.wait_until_ready().await;
    let answer = post(place.gateway, "/user/register", person).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let server = place.server();
    for _ in 0..3 {
        running.signal(Signal::KILL);
        assert_eq!(running.end().await, None, "killed");
        running = place.start();
        running.wait_until_ready().await;
        assert_eq!(place.server(), server, "the server that was left running is adopted");
    }
    let answer = post(place.gateway, "/user/login", person).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.signal(Signal::TERM);
    assert_eq!(running.end().await, Some(0));
}

#[tokio::test]
async fn a_stop_during_the_first_start_leaves_nothing_running() {
    let place = Place::new();
    let mut running = place.start();
    let files = || fs::read_dir(place.data_dir()).map_or(0, Iterator::count);
    running.wait_for("the first files", async || files() > 1).await;
    running.signal(Signal::TERM);
    assert_eq!(running.end().await, Some(0), "{}", running.told());
    assert!(place.server().is_none());

    let mut running = place.start();
    running.wait_until_ready().await;
    running.signal(Signal::TERM);
    assert_eq!(running.end().await, Some(0));
}

#[tokio::test]
async fn an_address_in_use_is_one_line_and_nothing_is_started() {
    let place = Place::new();
    let _taken = std::net::TcpListener::bind(place.gateway).expect("free");
    let mut running = place.start();
    assert_eq!(running.end().await, Some(1));
    let told = running.told();
    assert!(told.contains(&format!("cannot listen on {}", place.gateway)), "{told}");
    assert_eq!(told.trim().lines().count(), 1, "{told}");
    assert!(!place.data_dir().exists());
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let place = Place::new();
    let mut first = place.start();
    first.wait_until_ready().await;
    let mut second = place.elsewhere().start();
    assert_eq!(second.end().await, Some(1));
    assert!(second.told().contains("in use by another shared-calendar"), "{}", second.told());
    assert!(get(place.admin, "/readyz").await.starts_with("HTTP/1.1 200"), "the first goes on");
    first.signal(Signal::TERM);
    assert_eq!(first.end().await, Some(0));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_with_64_before_anything_starts() {
    for (name, value) in [
        ("GATEWAY_LISTEN", "everywhere"),
        ("PUBLIC_ORIGIN", "calendar.example"),
        ("SESSION_TTL", "soon"),
        ("SOCKETS_PER_ACCOUNT", "0"),
        ("AUTH_DATABASE_URL", "mysql://secret@host/db"),
        ("CALENDAR_REPLICA_URLS", "postgres://secret@host/db"),
        ("LOG", "shouting=very"),
    ] {
        let place = Place::new().with(name, value);
        let mut running = place.start();
        assert_eq!(running.end().await, Some(64), "{name}: {}", running.told());
        assert!(!running.told().contains("secret"), "{}", running.told());
        assert!(!place.data_dir().exists(), "{name}");
    }
    let place = Place::new();
    let mut fine = place.run("check-config");
    assert_eq!(fine.end().await, Some(0), "{}", fine.told());
    assert!(!place.data_dir().exists(), "a look changes nothing");
}

#[tokio::test]
async fn the_health_check_tells_whether_it_can_serve() {
    let place = Place::new();
    let check = async || place.run("healthcheck").end().await;
    assert_eq!(check().await, Some(1), "nobody there");
    let mut running = place.start();
    running.wait_until_ready().await;
    assert_eq!(check().await, Some(0));
    running.signal(Signal::TERM);
    assert_eq!(running.end().await, Some(0));
}
