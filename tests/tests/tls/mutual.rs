//! The whole system over mutual TLS, and strangers at its doors.

use anyhow::{Result, ensure};
use proto::auth::v1::{JwksRequest, auth_service_client::AuthServiceClient};
use rustls::version::TLS13;
use serde_json::json;
use system_tests::{
    certificates::{Certificates, Client},
    services::Service,
    stack::Stack,
    wait::until,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn tls_everything_works_when_services_show_certificates() -> Result<()> {
    let certificates = Certificates::made()?;
    let stack = Stack::builder().mutual_tls(&certificates).start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    let calendar = ann.create_calendar("Family").await?;
    let (anns, bobs) = (ann.join("Family").await?, bob.join("Family").await?);
    // auth-service takes part, both rooms hear of it.
    let mut event = system_tests::person::event("Family", "dinner");
    event["participants"] = json!(["ann", "bob"]);
    event["reminders"] = json!([30]);
    ann.post("/calendar/create_event", event).await?.expect(201)?;
    let seq = bobs.say("I bring the wine").await?;
    for room in [&anns, &bobs] {
        room.reaches(seq).await?;
    }
    // More than one TLS record, both ways.
    let long = "x".repeat(3_000);
    for _ in 0..20 {
        anns.say(&long).await?;
    }
    bobs.reaches(seq + 20).await?;
    // auth-service tells the others; sockets of an ended session are closed.
    let answer = bob
        .call(reqwest::Method::DELETE, "/user")
        .json(&json!({ "password": system_tests::person::PASSWORD }));
    let answer = answer.send().await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.text);
    bobs.socket.end().await?;
    until("bob's membership to end", async || {
        let members = ann.get(&format!("/calendar/calendars/{calendar}/members")).await.ok()?;
        (members.status == 200 && !members.text.contains("bob")).then_some(())
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_strangers_do_not_get_in() -> Result<()> {
    let (ours, foreign) = (Certificates::made()?, Certificates::made()?);
    let stack = Stack::builder().mutual_tls(&ours).start().await?;
    let auth = stack.address(Service::Auth);
    let jwks = async |channel| AuthServiceClient::new(channel).jwks(JwksRequest {}).await;

    // The control: the same call by one of us.
    jwks(ours.channel(auth, "auth", Some((&ours, "gateway")))?).await?;
    for (who, shows) in [
        ("without a certificate", None),
        ("with one of another CA", Some((&foreign, "gateway"))),
        ("with one that is for servers only", Some((&ours, "public"))),
    ] {
        let refused = jwks(ours.channel(auth, "auth", shows)?).await.expect_err(who);
        // Not by the method: there was no connection at all.
        let by_the_method = [Code::PermissionDenied, Code::Unauthenticated].contains(&refused.code());
        ensure!(!by_the_method, "{who}: {refused}");
    }
    // Who speaks no TLS hears nothing of it.
    let plain = chassis::rpc::channel(&format!("http://{auth}").parse()?);
    ensure!(jwks(plain).await.is_err(), "without TLS");
    // And a caller takes nobody for whom he is not.
    let calendar = stack.address(Service::Calendar);
    ensure!(
        jwks(ours.channel(calendar, "auth", Some((&ours, "gateway")))?).await.is_err(),
        "not auth-service"
    );
    ensure!(
        jwks(foreign.channel(auth, "auth", Some((&ours, "gateway")))?).await.is_err(),
        "not our auth-service"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_only_gateways_bring_sockets() -> Result<()> {
    let (ours, foreign) = (Certificates::made()?, Certificates::made()?);
    let stack = Stack::builder().mutual_tls(&ours).start().await?;
    let ask = async |shows| -> Result<String> {
        let client = Client { version: &TLS13, alpn: &[b"http/1.1"], shows };
        let mut stream = ours.connect(stack.sockets(), "calendar", client).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let answer = ask(Some((&ours, "gateway"))).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for shows in [None, Some((&ours, "auth")), Some((&ours, "calendar")), Some((&foreign, "gateway"))] {
        let who = shows.map(|(_, name)| name);
        let answer = ask(shows).await;
        ensure!(!answer.as_ref().is_ok_and(|answer| !answer.is_empty()), "{who:?} was answered: {answer:?}");
    }
    Ok(())
}
