//! A timer through the death of everything between its setting and its receiver.

use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::running::{Place, get_as, post, post_as};

/// Longer than a timer of two seconds and a start take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers 204 to everybody, and passes each request on as text.
async fn receive(listener: TcpListener, heard: mpsc::Sender<String>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let heard = heard.clone();
        tokio::spawn(async move {
            let mut text = String::new();
            while !text.contains("\r\n\r\n") || !text.ends_with('}') {
                let mut part = [0; 4096];
                let Ok(read @ 1..) = stream.read(&mut part).await else { return };
                text.push_str(&String::from_utf8_lossy(&part[..read]));
            }
            let _ = heard.send(text).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        });
    }
}

/// The value of a JSON member that is a text.
fn text_of(answer: &str, member: &str) -> String {
    let rest = answer.split_once(&format!(r#""{member}":""#)).map(|(_, rest)| rest);
    let value = rest.and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no {member} in {answer}")).to_owned()
}

#[tokio::test]
async fn it_fires_once_after_everything_was_killed_and_started_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/family?from=test", listener.local_addr().expect("bound"));
    let (heard, mut requests) = mpsc::channel(16);
    let receiving = tokio::spawn(receive(listener, heard));

    let place = Place::new().with("WEBHOOK_ALLOW_CIDRS", "127.0.0.1/32");
    let mut running = place.start();
    running.wait_until_ready().await;
    let person = r#"{"username":"ann","password":"correct horse"}"#;
    post(place.gateway, "/user/register", person).await;
    let token = text_of(&post(place.gateway, "/user/login", person).await, "token");
    let timer = format!(r#"{{"seconds":2,"url":"{url}"}}"#);
    let answer = post_as(place.gateway, "/timers", &token, &timer).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let id = text_of(&answer, "id");

    // The program, and its PostgreSQL with it.
    let server = place.server().expect("it runs");
    running.signal(Signal::KILL);
    rustix::process::kill_process(server, Signal::KILL).expect("it runs");
    assert_eq!(running.end().await, None, "killed");
    running = place.start();
    running.wait_until_ready().await;

    let request = timeout(PATIENCE, requests.recv()).await.expect("it fires").expect("one request");
    assert!(request.starts_with(&format!("POST /family/{id}?from=test HTTP/1.1\r\n")), "{request}");
    assert!(request.to_lowercase().contains(&format!("webhook-id: {id}\r\n")), "{request}");
    let mut told = String::new();
    let path = format!("/timers/{id}?verbose=true");
    let delivered = async || {
        told = get_as(place.gateway, &path, &token).await;
        told.contains(r#""state":"delivered""#)
    };
    running.wait_for("its delivery", delivered).await;
    assert!(told.contains(r#""time_left":0,"#) && told.contains(r#""attempts":1,"#), "{told}");
    assert!(requests.try_recv().is_err(), "one request was accepted, and no other sent");
    receiving.abort();
    running.signal(Signal::TERM);
    assert_eq!(running.end().await, Some(0));
}
