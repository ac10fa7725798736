//! `Idempotency-Key`, from outside: it goes to the service that owns the row,
//! and what that says of it comes back.

use chassis::fault::Reason;

use crate::{calendar::Next, stack::Stack};

const CALENDAR: &str = r#"{"calendar_name":"Home","calendar_password":"roast"}"#;
const EVENT: &str = r#"{"calendar_name":"Home","event_name":"Dinner","event_start":"2030-05-01T18:00:00Z","event_end":"2030-05-01T20:00:00Z"}"#;
const ACCOUNT: &str = r#"{"username":"ann","password":"correct horse"}"#;
const MARK: &str = "idempotent-replayed";

#[tokio::test]
async fn a_callers_key_goes_in_and_a_replay_comes_out_marked() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let token = format!("Bearer {}", stack.auth.person().token);
    for (path, body) in [("/calendar/create_calendar", CALENDAR), ("/api/calendar/create_event", EVENT)] {
        stack.calendar.script([Next::Replay, Next::RefusalAgain(Reason::NotAMember)]);
        let headers = [("Authorization", token.as_str()), ("Idempotency-Key", "k 1")];
        let replay = gateway.client().send("POST", path, &headers, body).await;
        assert_eq!((replay.status, replay.header(MARK)), (201, Some("true")), "{replay:?}");
        let refused = gateway.client().send("POST", path, &headers, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (404, "not_a_member"));
        assert_eq!(refused.header(MARK), Some("true"));
        let seen = stack.calendar.seen();
        assert_eq!(seen.last().expect("a call").headers["idempotency-key"], "k 1");
        assert!(!seen.last().expect("a call").headers.contains_key("idempotency-visitor"));

        let plain = gateway.client().send("POST", path, &headers[..1], body).await;
        assert_eq!((plain.status, plain.header(MARK)), (201, None));
        assert!(!stack.calendar.seen().last().expect("a call").headers.contains_key("idempotency-key"));
    }
}

#[tokio::test]
async fn a_visitors_key_goes_in_with_their_network() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--trusted-proxies", "127.0.0.0/8"]).await;
    let mut headers = vec![
        ("Idempotency-Key", "k"),
        ("X-Forwarded-For", "2001:db8:1:2::3"),
        ("Idempotency-Visitor", "somebody else"),
    ];
    let register = async |headers: &[(&str, &str)]| {
        let answer = gateway.client().send("POST", "/user/register", headers, ACCOUNT).await;
        answer.json()["detail"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(register(&headers).await, "key k of 2001:db8:1:2::");
    headers.remove(0);
    assert_eq!(register(&headers).await, "key none of none");
}

#[tokio::test]
async fn a_key_that_is_none_is_400_and_names_the_header() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let token = format!("Bearer {}", stack.auth.person().token);
    let (longest, too_long) = ("k".repeat(255), "k".repeat(256));
    let authorization = ("Authorization", token.as_str());
    for keys in [&[too_long.as_str()][..], &[""], &["a", "a"]] {
        let keys = keys.iter().map(|key| ("Idempotency-Key", *key));
        let headers: Vec<_> = [authorization].into_iter().chain(keys).collect();
        let answer = gateway.client().send("POST", "/calendar/create_event", &headers, EVENT).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{headers:?}");
        assert_eq!(answer.json()["errors"][0]["field"], "Idempotency-Key");
    }
    let headers = [authorization, ("Idempotency-Key", longest.as_str())];
    assert_eq!(gateway.client().send("POST", "/calendar/create_event", &headers, EVENT).await.status, 201);
    // Who may not come in at all is told that first.
    let answer =
        gateway.client().send("POST", "/calendar/create_event", &[("Idempotency-Key", "")], EVENT).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn refusals_about_the_key_have_their_statuses() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let token = format!("Bearer {}", stack.auth.person().token);
    let headers = [("Authorization", token.as_str()), ("Idempotency-Key", "k")];
    for (reason, status, code) in [
        (Reason::IdempotencyInFlight, 409, "idempotency_in_flight"),
        (Reason::IdempotencyMismatch, 422, "idempotency_mismatch"),
    ] {
        stack.calendar.script([Next::Refusal(reason)]);
        let answer = gateway.client().send("POST", "/calendar/create_event", &headers, EVENT).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert_eq!(answer.header(MARK), None);
    }
}
