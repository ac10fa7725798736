//! What every answer has.

use crate::stack::Stack;

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn every_answer_carries_the_id_and_the_security_headers() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let client = gateway.client();
    let preflight = [("Origin", "http://localhost:8080"), ("Access-Control-Request-Method", "POST")];
    for (answer, status) in [
        (client.get("/user/status", &[]).await, 200),
        (client.get("/api/user/status", &[]).await, 200),
        (client.get("/nothing/here", &[]).await, 404),
        (client.send("PUT", "/user/status", &[], "").await, 405),
        (client.send("HEAD", "/calendar/calendars", &[], "").await, 401),
        (client.send("OPTIONS", "/user/login", &preflight, "").await, 200),
        (client.get("/ws", &[]).await, 401),
        (client.get("/.well-known/jwks.json", &[]).await, 200),
        (client.send("POST", "/user/login", &[], "{").await, 400),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("x-request-id").map(str::len), Some(32), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("content-security-policy").is_some());
        assert!(answer.header("cache-control").is_some());
        if status >= 400 && answer.header("content-length") != Some("0") && !answer.body.is_empty() {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
            assert_eq!(answer.json()["request_id"].as_str(), answer.header("x-request-id"));
            assert_eq!(answer.json()["status"], status);
        }
    }
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_body() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let answer = gateway.client().send("HEAD", "/nothing", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

#[tokio::test]
async fn a_request_id_is_kept_if_well_formed_and_reaches_the_service() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let answer = gateway.client().get("/calendar/status", &[("X-Request-Id", "from-outside.1")]).await;
    assert_eq!(answer.header("x-request-id"), Some("from-outside.1"));
    let seen = stack.calendar.seen();
    assert_eq!(seen.last().expect("a call").headers["x-request-id"], "from-outside.1");
    let answer = gateway.client().get("/calendar/status", &[("X-Request-Id", "a b\"c")]).await;
    assert_ne!(answer.header("x-request-id"), Some("a b\"c"));
}

#[tokio::test]
async fn pages_of_the_list_alone_may_read_answers() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--public-origin", "https://calendar.example"]).await;
    let client = gateway.client();
    let own = client.get("/user/status", &[("Origin", "https://calendar.example")]).await;
    assert_eq!(own.header("access-control-allow-origin"), Some("https://calendar.example"));
    assert!(own.header("strict-transport-security").is_some());
    for foreign in ["https://evil.example", "http://gateway", "null"] {
        let answer = client.get("/user/status", &[("Origin", foreign)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{foreign}");
    }
    // A failure is readable, too.
    let failure = client.get("/calendar/calendars", &[("Origin", "https://calendar.example")]).await;
    assert_eq!(failure.status, 401);
    assert_eq!(failure.header("access-control-allow-origin"), Some("https://calendar.example"));
}

#[tokio::test]
async fn one_401_for_everything_that_is_wrong_with_a_token() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    let expired = stack.auth.signer.token(person.account, person.session, -60);
    let stranger = crate::signer::Signer::new().token(person.account, person.session, 60);
    let revoked = stack.auth.person();
    stack.auth.end(revoked.session);
    let other_account = stack.auth.signer.token(uuid::Uuid::now_v7(), person.session, 60);
    let shown = [
        bearer("nonsense"),
        bearer(&expired),
        bearer(&stranger),
        bearer(&revoked.token),
        bearer(&other_account),
        bearer(&format!("{}x", person.token)),
        "Bearer".to_owned(),
        "Basic YTpi".to_owned(),
        person.token.clone(),
    ];
    let mut bodies = Vec::new();
    for value in &shown {
        let answer = gateway.client().get("/calendar/calendars", &[("Authorization", value)]).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{value}");
        let mut body = answer.json();
        body["request_id"].take();
        bodies.push(body);
    }
    let none = gateway.client().get("/calendar/calendars", &[]).await;
    let mut body = none.json();
    body["request_id"].take();
    bodies.push(body);
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
    let twice = [("Authorization", bearer(&person.token)), ("Authorization", bearer(&person.token))];
    let twice: Vec<_> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(gateway.client().get("/calendar/calendars", &twice).await.status, 401);
    // The control: the good one passes, in any case of the scheme.
    for scheme in ["Bearer", "bearer"] {
        let value = format!("{scheme} {}", person.token);
        let answer = gateway.client().get("/calendar/calendars", &[("Authorization", &value)]).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_400_by_name() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    for path in ["/calendar/calendars", "/ws", "/socket.io/", "/api/ws"] {
        let answer = gateway.client().get(&format!("{path}?token={}", person.token), &[]).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{path}");
        assert_eq!(answer.json()["errors"][0]["field"], "token");
    }
}

#[tokio::test]
async fn a_body_over_256_kib_is_413() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let long = format!(r#"{{"username":"{}","password":"x"}}"#, "a".repeat(256 * 1024));
    let answer = gateway.client().send("POST", "/user/login", &[], &long).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "payload_too_large"));
}
