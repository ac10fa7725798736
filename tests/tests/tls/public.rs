//! The gateway's own TLS.

use std::{fs, net::SocketAddr};

use anyhow::{Context as _, Result, ensure};
use futures::{SinkExt as _, StreamExt as _};
use http::{Request, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    SupportedProtocolVersion,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};
use system_tests::{
    certificates::{Certificates, Client},
    stack::Stack,
    wait::{PATIENCE, until},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

const HTTP_1: &[&[u8]] = &[b"http/1.1"];
const HTTP_2: &[&[u8]] = &[b"h2"];

async fn connect(
    certificates: &Certificates,
    at: SocketAddr,
    version: &'static SupportedProtocolVersion,
    alpn: &'static [&'static [u8]],
) -> Result<TlsStream<TcpStream>> {
    certificates.connect(at, "localhost", Client { version, alpn, shows: None }).await
}

/// What a gateway shows to who comes now.
async fn shown(certificates: &Certificates, at: SocketAddr) -> Result<CertificateDer<'static>> {
    let stream = connect(certificates, at, &TLS13, HTTP_1).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    Ok(shown.context("nothing is shown")?.clone().into_owned())
}

/// `GET /user/status` over a connection: the status.
async fn status(stream: TlsStream<TcpStream>) -> Result<(Version, u16)> {
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    let request = Request::get("https://localhost/user/status").header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new())?;
    let asked = async {
        let answer = if http2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        };
        let (version, status) = (answer.version(), answer.status().as_u16());
        answer.into_body().collect().await?;
        anyhow::Ok((version, status))
    };
    timeout(PATIENCE, asked).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_the_gateway_speaks_both_versions_and_both_protocols() -> Result<()> {
    let certificates = Certificates::made()?;
    let mut stack = Stack::builder().mutual_tls(&certificates).start().await?;
    let gateway = stack.gateway_with_tls(&certificates).await?;
    for version in [&TLS12, &TLS13] {
        for (alpn, http) in [(HTTP_1, Version::HTTP_11), (HTTP_2, Version::HTTP_2), (&[], Version::HTTP_11)] {
            let answered = until("an answer over TLS", async || {
                let stream = connect(&certificates, gateway, version, alpn).await.ok()?;
                ensure_version(&stream, version).ok()?;
                status(stream).await.ok().filter(|(_, status)| *status == 200)
            });
            ensure!(answered.await?.0 == http, "{version:?} {alpn:?}");
        }
    }
    // Who comes without TLS is not answered.
    let plain = system_tests::door::Door::new(gateway)?;
    ensure!(plain.get("/user/status").await.is_err());
    Ok(())
}

fn ensure_version(stream: &TlsStream<TcpStream>, version: &SupportedProtocolVersion) -> Result<()> {
    let spoken = stream.get_ref().1.protocol_version();
    ensure!(spoken == Some(version.version), "spoke {spoken:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_a_socket_passes_through_on_both_sides() -> Result<()> {
    let certificates = Certificates::made()?;
    let mut stack = Stack::builder().mutual_tls(&certificates).start().await?;
    let gateway = stack.gateway_with_tls(&certificates).await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    let ticket = ann.call(reqwest::Method::POST, "/ws/ticket").send().await?.expect(201)?;
    let ticket = ticket.text_at("/ticket")?;
    let mut request = format!("wss://localhost/ws?ticket={ticket}").into_client_request()?;
    request.headers_mut().insert("origin", format!("https://localhost:{}", gateway.port()).parse()?);
    let opened = until("a socket over TLS", async || {
        let stream = connect(&certificates, gateway, &TLS13, HTTP_1).await.ok()?;
        Some(timeout(PATIENCE, client_async(request.clone(), stream)).await)
    });
    let (mut socket, _) = opened.await???;
    let join = json!({ "type": "join_calendar", "id": 1, "calendar_name": "Family" });
    socket.send(Message::text(join.to_string())).await?;
    // Larger than what one turn of the tunnel carries, and than a TLS record.
    let text = "x".repeat(4_000);
    for id in 2..22 {
        let say = json!({ "type": "message", "id": id, "calendar_name": "Family", "message": text });
        socket.send(Message::text(say.to_string())).await?;
    }
    let mut heard = 0;
    while heard < 20 {
        let frame = timeout(PATIENCE, socket.next()).await?.context("the socket ended")??;
        let Message::Text(frame) = frame else { continue };
        let frame: Value = serde_json::from_str(&frame)?;
        ensure!(frame["ok"] != false, "{frame}");
        heard += usize::from(frame["type"] == "message");
    }
    socket.close(None).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_a_new_certificate_is_taken_while_requests_go_on() -> Result<()> {
    let certificates = Certificates::made()?;
    let mut stack = Stack::start().await?;
    let gateway = stack.gateway_with_tls(&certificates).await?;
    let first = until("the gateway", async || shown(&certificates, gateway).await.ok()).await?;
    ensure!(first == certificates.certificate("public")?);
    until("its services", async || {
        let stream = connect(&certificates, gateway, &TLS13, HTTP_1).await.ok()?;
        status(stream).await.ok().filter(|(_, status)| *status == 200)
    })
    .await?;

    // A file that is no certificate, and one whose key is another's, change nothing.
    let good = fs::read(certificates.path("public.crt"))?;
    let metric = "tls_certificates_refused_total";
    let refused = |stack: &Stack| stack.metrics().matches(metric).count() > 0;
    fs::write(certificates.path("public.crt"), "-----BEGIN NOTHING-----")?;
    until("the broken file to be seen", async || refused(&stack).then_some(())).await?;
    ensure!(shown(&certificates, gateway).await? == first, "a broken file was taken");
    fs::copy(certificates.path("auth.crt"), certificates.path("public.crt"))?;
    let count = |stack: &Stack| {
        let text = stack.metrics();
        let line = text.lines().find(|line| line.starts_with(metric)).unwrap_or_default().to_owned();
        line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or_default()
    };
    until("the wrong key to be seen", async || (count(&stack) >= 2.0).then_some(())).await?;
    ensure!(shown(&certificates, gateway).await? == first, "a certificate without its key was taken");
    fs::write(certificates.path("public.crt"), good)?;

    certificates.renew("public")?;
    let second = certificates.certificate("public")?;
    ensure!(second != first);
    until("the new certificate", async || {
        // Every connection and request on the way there must be good.
        let stream = connect(&certificates, gateway, &TLS12, HTTP_2).await.expect("a connection");
        assert_eq!(status(stream).await.expect("an answer").1, 200);
        (shown(&certificates, gateway).await.expect("a certificate") == second).then_some(())
    })
    .await?;
    ensure!(stack.metrics().contains("tls_certificate_not_after_seconds"), "no gauge of the expiry");
    Ok(())
}
