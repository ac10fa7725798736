//! What every answer carries, whatever it answers.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::json;
use system_tests::{door::Answer, socket::Socket, stack::Stack};

const ORIGIN: &str = "http://calendar.test";

fn check_headers(answer: &Answer) -> Result<()> {
    let has = |name: &str| {
        answer.header(name).with_context(|| format!("no {name} on {} {}", answer.status, answer.text))
    };
    assert!(has("content-security-policy")?.contains("default-src"), "{answer:?}");
    assert_eq!(has("x-content-type-options")?, "nosniff");
    assert_eq!(has("x-frame-options")?, "DENY");
    assert_eq!(has("referrer-policy")?, "no-referrer");
    assert!(!has("x-request-id")?.is_empty());
    assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none(), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_hardened_and_named() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    for prefix in ["", "/api"] {
        for path in [
            "/user/status",
            "/calendar/status",
            "/.well-known/jwks.json",
            "/openapi.json",
            "/docs",
            "/calendar/calendars",
        ] {
            let answer = ann.get(&format!("{prefix}{path}")).await?.expect(200)?;
            check_headers(&answer)?;
        }
        for path in ["/nothing", "/calendar/events/none", "/ws"] {
            check_headers(&ann.get(&format!("{prefix}{path}")).await?)?;
        }
        check_headers(&stack.door().get(&format!("{prefix}/calendar/calendars")).await?.expect(401)?)?;
    }
    let up = "Service and database are up and running";
    assert_eq!(stack.door().get("/user/status").await?.body, json!({ "message": up }));
    assert_eq!(stack.door().get("/calendar/status").await?.body, json!({ "message": up }));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_taken_over_or_made() -> Result<()> {
    let stack = Stack::start().await?;
    let asked = |id: &str| stack.door().call(Method::GET, "/nothing").header("x-request-id", id).send();
    let answer = asked("my-id.7_A").await?;
    assert_eq!(answer.header("x-request-id"), Some("my-id.7_A"));
    assert_eq!(answer["request_id"], "my-id.7_A");
    for bad in ["two words", "a;b", "", &"x".repeat(129)] {
        let answer = asked(bad).await?;
        let made = answer.header("x-request-id").context("none")?;
        assert!(made != bad && made.len() >= 16, "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_public_origin_may_talk_to_us() -> Result<()> {
    let stack = Stack::builder().set("PUBLIC_ORIGIN", ORIGIN).start().await?;
    let ann = stack.person("ann").await?;
    let from = |origin: &str| {
        let asked = ann.call(Method::OPTIONS, "/calendar/calendars").header("origin", origin);
        asked.header("access-control-request-method", "GET").send()
    };
    assert_eq!(from(ORIGIN).await?.header("access-control-allow-origin"), Some(ORIGIN));
    let host = format!("http://{}", stack.door().address());
    for foreign in ["http://evil.test", host.as_str(), "null"] {
        assert_eq!(from(foreign).await?.header("access-control-allow-origin"), None, "{foreign}");
        let token = format!("Bearer {}", ann.token);
        let headers = [("authorization", token.as_str()), ("origin", foreign)];
        Socket::open(stack.door(), "/ws", &headers).await?.refused()?.refused(403, "origin_refused")?;
        let poll = ann.call(Method::GET, "/socket.io/?EIO=4&transport=polling").header("origin", foreign);
        poll.send().await?.expect(403)?;
    }
    let token = format!("Bearer {}", ann.token);
    let headers = [("authorization", token.as_str()), ("origin", ORIGIN)];
    Socket::open(stack.door(), "/ws", &headers).await?.upgraded()?.hears("connected").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_describe_the_interface() -> Result<()> {
    let stack = Stack::start().await?;
    let served = stack.door().get("/openapi.json").await?.expect(200)?;
    assert!(
        served["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        served["openapi"]
    );
    let page = stack.door().get("/docs").await?.expect(200)?;
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    assert!(!page.text.contains("//cdn"), "the page works offline");
    let keys = stack.door().get("/.well-known/jwks.json").await?.expect(200)?;
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    assert!(key["d"].is_null(), "only the public half");
    Ok(())
}
