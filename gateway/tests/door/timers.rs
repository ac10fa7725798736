//! Timers, from outside.

use chassis::fault::Reason;
use proto::notification::v1::{CreateTimerRequest, ListTimersRequest};
use serde_json::json;

use crate::{notification::Asked, stack::Stack};

const NEW: &str = r#"{"hours":1,"seconds":1,"url":"https://receiver.example/","id":"mine","state":"x"}"#;

fn new() -> Asked {
    let url = "https://receiver.example/".to_owned();
    Asked::CreateTimer(CreateTimerRequest { hours: 1, minutes: 0, seconds: 1, url })
}

#[tokio::test]
async fn a_timer_is_set_in_its_callers_name() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let token = stack.auth.person().token;
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let id = &stack.notification.timer.timer_id;
    for prefix in ["", "/api"] {
        let answer = gateway.client().send("POST", &format!("{prefix}/timers"), &headers, NEW).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json(), json!({ "id": id, "time_left": 3601 }), "and nothing else");
        assert_eq!(answer.header("location"), Some(format!("{prefix}/timers/{id}").as_str()));
        assert_eq!(stack.notification.asked(), [(new(), Some(token.clone()))]);
    }
}

#[tokio::test]
async fn the_field_at_fault_is_named_and_nobody_is_asked() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let bearer = format!("Bearer {}", stack.auth.person().token);
    for (body, field) in [
        (r#"{"seconds":1}"#, "url"),
        (r#"{"seconds":-1,"url":"https://a.example"}"#, "seconds"),
        (r#"{"minutes":1.5,"url":"https://a.example"}"#, "minutes"),
        (r#"{"hours":"1","url":"https://a.example"}"#, "hours"),
        (r#"{"hours":null,"url":"https://a.example"}"#, "hours"),
        (r#"{"hours":1e400,"url":"https://a.example"}"#, "hours"),
        ("[1,2,3]", "body"),
    ] {
        let answer = gateway.client().send("POST", "/timers", &[("Authorization", &bearer)], body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{body}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
    }
    assert_eq!(stack.notification.asked(), []);
}

#[tokio::test]
async fn a_timer_is_told_in_short_and_in_full() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let token = stack.auth.person().token;
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let id = &stack.notification.timer.timer_id;
    let get = async |query: &str| gateway.client().get(&format!("/timers{query}"), &headers).await;
    let short = json!({ "id": id, "time_left": 3601 });
    assert_eq!(get(&format!("/{id}")).await.json(), short);
    assert_eq!(get(&format!("/{id}?verbose=false")).await.json(), short);
    assert_eq!(
        get(&format!("/{id}?verbose=true")).await.json(),
        json!({
            "id": id, "time_left": 3601, "state": "waiting", "attempts": 0, "last_status": null,
            "fired_at": null,
        })
    );
    assert_eq!(get(&format!("/{id}?verbose=1")).await.status, 400);
    let page = get("?state=waiting&limit=7&cursor=c").await.json();
    assert_eq!((&page["timers"][0]["id"], &page["next_cursor"]), (&json!(id), &json!("next")));
    let wanted = ListTimersRequest { state: "waiting".into(), limit: 7, cursor: "c".into() };
    assert_eq!(stack.notification.asked().pop(), Some((Asked::ListTimers(wanted), Some(token.clone()))));
}

#[tokio::test]
async fn cancelling_and_sending_again() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let bearer = format!("Bearer {}", stack.auth.person().token);
    let headers = [("Authorization", bearer.as_str())];
    let id = stack.notification.timer.timer_id.clone();
    let path = format!("/timers/{id}");
    let send = async |method: &str, path: &str| gateway.client().send(method, path, &headers, "").await;
    assert_eq!(send("DELETE", &path).await.status, 204);
    assert_eq!(send("POST", &format!("{path}/resend")).await.json()["state"], "waiting");
    let asked: Vec<_> = stack.notification.asked().into_iter().map(|(asked, _)| asked).collect();
    assert_eq!(asked, [Asked::CancelTimer(id.clone()), Asked::ResendTimer(id)]);

    let again = format!("{path}/resend");
    for (method, path, reason, status) in [
        ("DELETE", &path, Reason::TimerFired, 409),
        ("DELETE", &path, Reason::TimerNotFound, 404),
        ("POST", &again, Reason::TimerNotFailed, 409),
    ] {
        stack.notification.refuse(reason);
        let answer = send(method, path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, reason.as_str()));
    }
    // What is no id is answered like one that is not there, and nobody is asked.
    stack.notification.asked();
    for path in ["/timers/1", "/timers/1?verbose=true"] {
        let answer = gateway.client().get(path, &headers).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "timer_not_found"), "{path}");
    }
    assert_eq!(stack.notification.asked(), []);
}

#[tokio::test]
async fn without_a_token_timers_are_closed_unless_the_operator_opens_them() {
    let stack = Stack::start().await;
    let path = format!("/timers/{}", stack.notification.timer.timer_id);
    let closed = stack.gateway(&[]).await;
    assert_eq!(closed.client().send("POST", "/timers", &[], NEW).await.status, 401);
    assert_eq!(closed.client().get(&path, &[]).await.status, 401);
    assert_eq!(stack.notification.asked(), []);

    let open = stack.gateway(&["--timers-public", "true"]).await;
    assert_eq!(open.client().send("POST", "/timers", &[], NEW).await.status, 201);
    assert_eq!(open.client().get(&path, &[]).await.status, 200);
    let id = stack.notification.timer.timer_id.clone();
    assert_eq!(stack.notification.asked(), [(new(), None), (Asked::GetTimer(id), None)]);
    // What belongs to accounts stays theirs, and a bad token is no missing one.
    for (method, path) in [("GET", "/timers"), ("DELETE", &path), ("POST", &format!("{path}/resend"))] {
        assert_eq!(open.client().send(method, path, &[], "").await.status, 401, "{method} {path}");
    }
    let stale = [("Authorization", "Bearer x.y.z")];
    assert_eq!(open.client().send("POST", "/timers", &stale, NEW).await.status, 401);
    assert_eq!(stack.notification.asked(), []);
}

#[tokio::test]
async fn open_timers_have_a_budget_per_address() {
    let stack = Stack::start().await;
    let settings = ["--timers-public", "true", "--limit-default", "2", "--trusted-proxies", "127.0.0.0/8"];
    let gateway = stack.gateway(&settings).await;
    let from = async |address: &str| {
        let headers = [("X-Forwarded-For", address)];
        gateway.client().send("POST", "/timers", &headers, NEW).await.status
    };
    assert_eq!((from("198.51.100.1").await, from("198.51.100.1").await), (201, 201));
    assert_eq!((from("198.51.100.1").await, from("198.51.100.2").await), (429, 201));
}
