//! The accept loop seen from outside: what a slow or late peer gets.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use chassis::{
    http_server::{HttpLimits, serve},
    lifecycle::Lifecycle,
};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longer than anything here takes; a test that reaches it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

async fn start(limits: HttpLimits) -> std::io::Result<(SocketAddr, Lifecycle)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let lifecycle = Lifecycle::new();
    let service = tower::service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(axum::body::Body::from("hello")))
    });
    tokio::spawn(serve(listener, service, limits, lifecycle.clone()));
    Ok((address, lifecycle))
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the answer is as good an end as any.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut text)).await.expect("the server ends the connection");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_half_sent_head_does_not_hold_a_connection() -> std::io::Result<()> {
    let limits = HttpLimits { header_timeout: Duration::from_millis(50), ..HttpLimits::default() };
    let (address, _lifecycle) = start(limits).await?;
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Never:").await?;
    let answer = read_to_end(&mut stream).await;
    assert!(!answer.contains("hello"), "half a head is not a request: {answer}");
    Ok(())
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_half_a_preface_does_not_hold_a_connection() -> std::io::Result<()> {
    let limits = HttpLimits { header_timeout: Duration::from_millis(50), ..HttpLimits::default() };
    let (address, _lifecycle) = start(limits).await?;
    for opening in [&b""[..], b"P", b"PRI * HT", b"GET", b"POS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(opening).await?;
        assert!(!read_to_end(&mut stream).await.contains("hello"));
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_served() -> std::io::Result<()> {
    let (address, _lifecycle) = start(HttpLimits::default()).await?;
    let mut stream = TcpStream::connect(address).await?;
    for byte in b"PRIM / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).await?;
    }
    assert!(read_to_end(&mut stream).await.ends_with("hello"));
    Ok(())
}

#[tokio::test]
async fn a_place_that_is_freed_serves_the_next() -> std::io::Result<()> {
    let (address, _lifecycle) = start(HttpLimits { connections: 1, ..HttpLimits::default() }).await?;
    let first = TcpStream::connect(address).await?;
    let mut second = TcpStream::connect(address).await?;
    second.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    drop(first);
    assert!(read_to_end(&mut second).await.ends_with("hello"));
    Ok(())
}

#[tokio::test]
async fn a_draining_server_says_close_and_then_refuses() -> std::io::Result<()> {
    let (address, lifecycle) = start(HttpLimits::default()).await?;
    let mut stream = TcpStream::connect(address).await?;
    lifecycle.drain();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("a drained server stops accepting");
    Ok(())
}

#[tokio::test]
async fn an_idle_keep_alive_connection_ends_with_the_drain() -> std::io::Result<()> {
    let (address, lifecycle) = start(HttpLimits::default()).await?;
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let mut first = [0_u8; 15];
    stream.read_exact(&mut first).await?;
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    lifecycle.drain();
    read_to_end(&mut stream).await;
    Ok(())
}

#[tokio::test]
async fn the_operators_listener_answers_while_the_process_drains() -> std::io::Result<()> {
    let for_operators = HttpLimits { serve_while_draining: true, ..HttpLimits::default() };
    let (operators, lifecycle) = start(for_operators).await?;
    let (public, other) = start(HttpLimits::default()).await?;
    lifecycle.drain();
    other.drain();
    let refused = async {
        while TcpStream::connect(public).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("the other one stops accepting");
    let mut stream = TcpStream::connect(operators).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    assert!(read_to_end(&mut stream).await.ends_with("hello"));
    Ok(())
}
