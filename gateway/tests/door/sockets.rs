//! `/ws` and `/socket.io/`, tunnelled.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::stack::{PATIENCE, Stack};

async fn read(stream: &mut TcpStream, bytes: usize) -> String {
    let mut text = vec![0; bytes];
    timeout(PATIENCE, stream.read_exact(&mut text)).await.expect("in time").expect("bytes");
    String::from_utf8(text).expect("text")
}

#[tokio::test]
async fn bytes_go_both_ways_after_the_upgrade() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    for path in ["/ws", "/api/ws"] {
        let headers = [
            ("Authorization", &*format!("Bearer {}", person.token)),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ("X-Gateway-Id", "forged"),
            ("X-Client-Address", "forged"),
            ("X-Service-Token", "forged"),
            ("X-Forwarded-For", "203.0.113.7"),
            ("Cookie", "a=b"),
        ];
        let (answer, mut stream) = gateway.client().websocket(path, &headers).await;
        assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, Some("accepted")));
        assert_eq!(answer.header("server"), None);
        assert_eq!(read(&mut stream, 8).await, "welcome ");
        let long = "0123456789".repeat(10_000);
        let (mut from, mut to) = stream.split();
        let (sent, mut echoed) = (to.write_all(long.as_bytes()), vec![0; long.len()]);
        let (sent, read) = tokio::join!(sent, timeout(PATIENCE, from.read_exact(&mut echoed)));
        sent.expect("sent");
        read.expect("in time").expect("read");
        assert!(echoed == long.as_bytes());

        let seen = stack.calendar.seen().pop().expect("an upgrade");
        assert_eq!((seen.path.as_str(), seen.method.as_str()), ("/ws", "GET"));
        assert_eq!(seen.headers["authorization"], format!("Bearer {}", person.token));
        assert_eq!(seen.headers["x-client-address"], "127.0.0.1");
        assert_eq!(Some(seen.headers["x-request-id"].to_str().expect("text")), answer.header("x-request-id"));
        assert_ne!(seen.headers["x-gateway-id"], "forged");
        for header in ["sec-websocket-extensions", "x-service-token", "cookie", "x-forwarded-for"] {
            assert!(!seen.headers.contains_key(header), "{header}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_before_the_upgrade() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--public-origin", "https://calendar.example"]).await;
    let person = stack.auth.person();
    let good = format!("Bearer {}", person.token);
    for (path, headers, status, code) in [
        ("/ws", &[][..], 401, "unauthenticated"),
        ("/ws", &[("Authorization", "Bearer x")], 401, "unauthenticated"),
        ("/ws?ticket=unknown", &[], 401, "unauthenticated"),
        (&format!("/ws?ticket={}", person.token), &[], 400, "invalid"),
        (&format!("/ws?token={}", person.token), &[], 400, "invalid"),
        ("/ws", &[("Authorization", &good), ("Origin", "https://evil.example")], 403, "origin_refused"),
        ("/ws?ticket=unknown", &[("Origin", "https://evil.example")], 403, "origin_refused"),
    ] {
        let (answer, mut stream) = gateway.client().websocket(path, headers).await;
        let mut body = String::new();
        let length: u64 = answer.header("content-length").expect("a length").parse().expect("a number");
        (&mut stream).take(length).read_to_string(&mut body).await.expect("a body");
        assert_eq!(answer.status, status, "{path} {headers:?} {body}");
        assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
    }
    let plain = gateway.client().get("/ws", &[("Authorization", &good)]).await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
    let old = [
        ("Authorization", &*good),
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "8"),
    ];
    let old = gateway.client().get("/ws", &old).await;
    assert_eq!((old.status, old.header("sec-websocket-version")), (426, Some("13")));
    assert!(stack.calendar.seen().is_empty(), "none of these reached the listener");
    let listed = [("Authorization", &*good), ("Origin", "https://calendar.example")];
    assert_eq!(gateway.client().websocket("/ws", &listed).await.0.status, 101);
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_stays_here() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    let path = format!("/ws?ticket={}", stack.auth.ticket(&person));
    assert_eq!(gateway.client().websocket(&path, &[]).await.0.status, 101);
    assert_eq!(gateway.client().websocket(&path, &[]).await.0.status, 401, "once");
    let seen = stack.calendar.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/ws", "the ticket does not go on");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {}", person.token));
}

#[tokio::test]
async fn too_many_sockets_comes_through_as_a_problem() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    stack.calendar.refuse_sockets();
    let headers = [("Authorization", &*format!("Bearer {}", person.token)), ("X-Request-Id", "r-1")];
    let (answer, mut stream) = gateway.client().websocket("/ws", &headers).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let length: u64 = answer.header("content-length").expect("a length").parse().expect("a number");
    let mut body = String::new();
    (&mut stream).take(length).read_to_string(&mut body).await.expect("a body");
    assert!(
        body.contains(r#""code":"too_many_sockets""#) && body.contains(r#""request_id":"r-1""#),
        "{body}"
    );
}

#[tokio::test]
async fn no_part_of_the_target_comes_from_the_client() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let trap_at = trap.local_addr().expect("an address");
    for target in [
        format!("http://{trap_at}/socket.io/?EIO=4"),
        "/socket.io/?EIO=4&x=http://evil.example/".to_owned(),
        "/api/socket.io/?EIO=4".to_owned(),
        "/socket.io?EIO=4".to_owned(),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {trap_at}\r\nConnection: close\r\n\r\n");
        let answer = gateway.client().raw(request.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "polled "), "{target}");
        let seen = stack.calendar.seen().pop().expect("a poll");
        assert!(seen.path.starts_with("/socket.io/?EIO=4"), "{}", seen.path);
    }
    for elsewhere in ["/socket.io/../admin", "/socket.io/admin", "/socket.io//x", "/ws/../metrics", "/ws/x"] {
        assert_eq!(gateway.client().get(elsewhere, &[]).await.status, 404, "{elsewhere}");
    }
    let trapped = tokio::time::timeout(std::time::Duration::from_millis(1), trap.accept()).await;
    assert!(trapped.is_err(), "somebody was led astray");
}

#[tokio::test]
async fn polls_and_sockets_of_socket_io_pass_with_or_without_a_token() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--public-origin", "https://calendar.example"]).await;
    let person = stack.auth.person();
    let client = gateway.client();
    let origin = ("Origin", "https://calendar.example");
    let text = ("Content-Type", "text/plain;charset=UTF-8");
    let poll = client.send("POST", "/socket.io/?EIO=4&transport=polling", &[origin, text], "40{}").await;
    assert_eq!((poll.status, poll.body.as_str()), (200, "polled 40{}"));
    assert_eq!(poll.header("access-control-allow-origin"), Some("https://calendar.example"));
    assert_eq!(poll.header("server"), None);
    let (socket, mut stream) = client.websocket("/socket.io/?EIO=4&transport=websocket", &[]).await;
    assert_eq!(socket.status, 101);
    assert_eq!(read(&mut stream, 8).await, "welcome ");
    let good = format!("Bearer {}", person.token);
    assert_eq!(client.get("/socket.io/?EIO=4", &[("Authorization", &good)]).await.status, 200);
    assert_eq!(stack.calendar.seen().pop().expect("a poll").headers["authorization"], good);
    let before = stack.calendar.seen().len();
    assert_eq!(client.get("/socket.io/?EIO=4", &[("Authorization", "Bearer bad")]).await.status, 401);
    assert_eq!(client.get("/socket.io/?EIO=4", &[("Origin", "https://evil.example")]).await.status, 403);
    let too_long = "x".repeat(256 * 1024 + 1);
    assert_ne!(client.send("POST", "/socket.io/?EIO=4", &[text], &too_long).await.status, 200);
    assert!(stack.calendar.seen().len() <= before + 1, "neither reached the listener");
}

#[tokio::test]
async fn a_drain_has_every_socket_told_and_ends_long_polls() {
    let stack = Stack::start().await;
    let mut gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    let headers = [("Authorization", &*format!("Bearer {}", person.token))];
    let (_, mut socket) = gateway.client().websocket("/ws", &headers).await;
    assert_eq!(read(&mut socket, 8).await, "welcome ");
    let client = gateway.client();
    let poll = tokio::spawn(async move { client.get("/socket.io/?hang", &[]).await });
    crate::stack::until("the poll has arrived", async || {
        stack.calendar.seen().iter().any(|seen| seen.path.ends_with("hang"))
    })
    .await;
    gateway.lifecycle.drain();
    // For a second it still answers, until everybody knows that it goes.
    let (answer, mut late) = gateway.client().websocket("/ws", &headers).await;
    assert_eq!(answer.status, 101);
    assert_eq!(read(&mut socket, 4).await, "1012");
    assert_eq!(read(&mut late, 12).await, "welcome 1012");
    assert_eq!(timeout(PATIENCE, socket.read_u8()).await.expect("ends").ok(), None);
    assert_eq!(poll.await.expect("an answer").status, 503);
    let ended = timeout(PATIENCE, &mut gateway.ended).await;
    assert!(matches!(ended, Ok(Ok(Ok(())))), "{ended:?}");
    let close = stack.calendar.seen().into_iter().find(|seen| seen.path.ends_with("CloseTunnels"));
    assert!(close.expect("told").headers.contains_key("x-service-token"));
}

#[tokio::test]
async fn no_more_tunnels_than_the_setting() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--tunnels", "1"]).await;
    let person = stack.auth.person();
    let headers = [("Authorization", &*format!("Bearer {}", person.token))];
    let (first, socket) = gateway.client().websocket("/ws", &headers).await;
    assert_eq!(first.status, 101);
    assert_eq!(gateway.client().websocket("/ws", &headers).await.0.status, 503);
    drop(socket);
    crate::stack::until("its place is free", async || {
        gateway.client().websocket("/ws", &headers).await.0.status == 101
    })
    .await;
}
