//! Peers that take their time, or too much room.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stack::{Gateway, PATIENCE, Stack};

/// A gateway that gives up on a head after a moment.
async fn impatient(stack: &Stack) -> Gateway {
    stack.gateway_with(&[], |config| config.http.header_timeout = Duration::from_millis(100)).await
}

#[tokio::test]
async fn two_hundred_half_sent_heads_are_all_gone_soon() {
    let stack = Stack::start().await;
    let gateway = impatient(&stack).await;
    let mut half_open = Vec::new();
    for n in 0..200 {
        let mut stream = gateway.client().connect().await;
        let part: &[u8] = match n % 4 {
            0 => b"",
            1 => b"GET /user/status HTTP/1.1\r\nHost: x\r\nX-Slow: ",
            2 => b"PRI * HTTP/2.0\r\n\r\nSM",
            _ => b"G",
        };
        stream.write_all(part).await.expect("sent");
        half_open.push(stream);
    }
    for mut stream in half_open {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "a half-sent head is still open");
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(gateway.client().get("/user/status", &[]).await.status, 200, "others are served");
}

#[tokio::test]
async fn a_head_that_trickles_in_is_given_up() {
    let stack = Stack::start().await;
    let gateway = impatient(&stack).await;
    let mut stream = gateway.client().connect().await;
    stream.write_all(b"GET /user/status HTTP/1.1\r\n").await.expect("sent");
    let trickle = async {
        loop {
            // A reset is the end that we wait for.
            if stream.write_all(b"X-More: y\r\n").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, trickle).await.is_ok(), "it may go on for ever");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let client = gateway.client();
    let large = client.get("/user/status", &[("X-Large", &"x".repeat(64 * 1024))]).await;
    assert!([400, 431].contains(&large.status), "{}", large.status);
    let long = client.get(&format!("/user/status?{}", "x".repeat(80 * 1024)), &[]).await;
    assert!([400, 414, 431].contains(&long.status), "{}", long.status);
    let many = "X-More: y\r\n".repeat(200);
    let many = client.raw(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes()).await;
    assert!([400, 431].contains(&many.status), "{}", many.status);
}

#[tokio::test]
async fn smuggled_framing_is_refused() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    for framing in [
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: -1",
        "Content-Length: 4x",
        "Transfer-Encoding: chunked, identity",
    ] {
        let head =
            format!("POST /user/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\nabcd");
        let answer = gateway.client().raw(head.as_bytes()).await;
        assert_eq!(answer.status, 400, "{framing}");
    }
}

#[tokio::test]
async fn a_drained_gateway_answers_close_and_ends_in_time() {
    let stack = Stack::start().await;
    let mut gateway = stack.gateway(&[]).await;
    let mut kept = gateway.client().connect().await;
    kept.write_all(b"GET /user/status HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut first = [0; 15];
    kept.read_exact(&mut first).await.expect("an answer");
    gateway.lifecycle.drain();
    let late = gateway.client().raw(b"GET /user/status HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((late.status, late.header("connection")), (200, Some("close")));
    let ended = tokio::time::timeout(PATIENCE, &mut gateway.ended).await;
    assert!(matches!(ended, Ok(Ok(Ok(())))), "{ended:?}");
}
