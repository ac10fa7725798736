//! Notifications, the inbox and what belongs to them, from outside.

use chassis::{fault::Reason, service_token::ServiceToken};
use http::HeaderMap;
use proto::notification::v1::{NotifyAccountRequest, NotifyRequest};
use serde_json::json;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::{notification::Asked, stack::Stack};

/// The token as an HTTP header's value.
fn shown(token: &ServiceToken) -> String {
    let mut metadata = MetadataMap::new();
    token.attach(&mut metadata);
    let headers: HeaderMap = metadata.into_headers();
    headers["x-service-token"].to_str().expect("ASCII").to_owned()
}

#[tokio::test]
async fn a_person_notifies_in_their_own_name() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let token = stack.auth.person().token;
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let body = r#"{"username":"bob","message":"dinner","id":"n-1"}"#;
    let answer = gateway.client().send("POST", "/v1/notify", &headers, body).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "status": "ok", "id": "kept-1" })));
    let expected = NotifyRequest {
        username: "bob".into(),
        message: "dinner".into(),
        id: "n-1".into(),
        ..NotifyRequest::default()
    };
    assert_eq!(stack.notification.asked(), [(Asked::Notify(expected), Some(token))]);
    stack.notification.refuse(Reason::NotFound);
    assert_eq!(gateway.client().send("POST", "/v1/notify", &headers, body).await.status, 404);
}

#[tokio::test]
async fn with_the_service_token_it_is_for_any_account() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let token = shown(&stack.auth.token);
    let send = async |body: &str| {
        gateway.client().send("POST", "/v1/notify", &[("X-Service-Token", &token)], body).await
    };
    let bob = stack.auth.named("bob");
    let answer = send(r#"{"username":"bob","deviceId":"watch","message":"well done","id":"n-1"}"#).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "status": "ok", "id": "n-1" })));
    let mut expected = NotifyAccountRequest {
        account_id: bob.to_string(),
        device_id: "watch".into(),
        message: "well done".into(),
        id: "n-1".into(),
    };
    assert_eq!(stack.notification.asked(), [(Asked::NotifyAccount(expected.clone()), None)]);

    // By its id, and with an id made here.
    let answer = send(&format!(r#"{{"account_id":"{bob}","message":"well done"}}"#)).await;
    let made = answer.json()["id"].as_str().expect("an id").to_owned();
    assert!(Uuid::try_parse(&made).is_ok(), "{made}");
    expected.id = made;
    expected.device_id = String::new();
    assert_eq!(stack.notification.asked(), [(Asked::NotifyAccount(expected), None)]);

    for (body, status, field) in [
        (r#"{"username":"nobody","message":"x"}"#, 404, json!(null)),
        (r#"{"deviceId":"watch","message":"x"}"#, 400, json!("username")),
        (r#"{"account_id":"1","message":"x"}"#, 400, json!("account_id")),
    ] {
        let answer = send(body).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (status, &field), "{body}");
    }
    assert_eq!(stack.notification.asked(), []);
}

#[tokio::test]
async fn the_service_token_opens_nothing_else_and_another_one_nothing() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let good = shown(&stack.auth.token);
    let person = stack.auth.person();
    let bearer = format!("Bearer {}", person.token);
    let body = format!(r#"{{"account_id":"{}","message":"x"}}"#, person.account);
    for wrong in [shown(&ServiceToken::random()), String::new(), good[1..].to_owned(), format!("{good}x")] {
        // A person's token beside it does not help.
        for headers in [
            vec![("X-Service-Token", wrong.as_str())],
            vec![("X-Service-Token", wrong.as_str()), ("Authorization", bearer.as_str())],
        ] {
            let answer = gateway.client().send("POST", "/v1/notify", &headers, &body).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{wrong}");
        }
    }
    for (method, path) in
        [("GET", "/user/sessions"), ("GET", "/user/inbox"), ("GET", "/timers"), ("POST", "/timers")]
    {
        let answer = gateway.client().send(method, path, &[("X-Service-Token", &good)], "{}").await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    assert_eq!(stack.notification.asked(), []);
}

#[tokio::test]
async fn secrets_and_addresses() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let bearer = format!("Bearer {}", stack.auth.person().token);
    let headers = [("Authorization", bearer.as_str())];
    let send = async |method: &str, path: &str, body: &str| {
        let answer = gateway.client().send(method, path, &headers, body).await;
        (answer.status, answer.json())
    };
    assert_eq!(send("GET", "/user/webhook-secret", "").await, (200, json!({ "secret": "whsec_old" })));
    assert_eq!(send("POST", "/user/webhook-secret", "").await, (200, json!({ "secret": "whsec_new" })));
    assert_eq!(send("GET", "/user/webhook-url", "").await, (200, json!({ "url": null })));
    let set = r#"{"url":"https://a.example/"}"#;
    assert_eq!(send("PUT", "/user/webhook-url", set).await, (200, json!({ "url": "https://a.example/" })));
    assert_eq!(send("PUT", "/user/webhook-url", r#"{"url":null}"#).await, (200, json!({ "url": null })));
    assert_eq!(send("PUT", "/user/webhook-url", "{}").await.0, 400);
    let asked: Vec<_> = stack.notification.asked().into_iter().map(|(asked, _)| asked).collect();
    let set = |url: &str| Asked::SetUrl(url.to_owned());
    let secrets = [Asked::Secret { rotate: false }, Asked::Secret { rotate: true }];
    assert_eq!(asked, [&secrets[..], &[set("https://a.example/"), set("")]].concat());
}

#[tokio::test]
async fn the_inbox_and_ones_own_reminders_are_calendar_services() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let bearer = format!("Bearer {}", stack.auth.person().token);
    let headers = [("Authorization", bearer.as_str())];
    let send = async |method: &str, path: &str, body: &str| {
        let answer = gateway.client().send(method, path, &headers, body).await;
        (answer.status, answer.json())
    };
    let inbox = send("GET", "/user/inbox?since=5&limit=10", "").await;
    assert_eq!(inbox, (200, json!({ "entries": [], "last_seq": 0 })));
    assert_eq!(send("POST", "/user/inbox/7/seen", "").await.0, 204);
    let event = format!("/calendar/events/{}/reminders", Uuid::now_v7());
    for body in [r#"{"minutes":[10]}"#, r#"{"minutes":[]}"#, r#"{"minutes":null}"#] {
        assert_eq!(send("PUT", &event, body).await.0, 200, "{body}");
    }
    let paths: Vec<_> = stack.calendar.seen().into_iter().map(|seen| seen.path).collect();
    let set = "/calendar.v1.CalendarService/SetOwnReminders";
    assert_eq!(
        paths,
        [
            "/calendar.v1.CalendarService/ListInbox",
            "/calendar.v1.CalendarService/MarkInboxSeen",
            set,
            set,
            set
        ]
    );
    for (method, path, body, status) in [
        ("GET", "/user/inbox?since=-1", "", 400),
        ("GET", "/user/inbox?limit=1001", "", 400),
        ("POST", "/user/inbox/0/seen", "", 404),
        ("POST", "/user/inbox/x/seen", "", 404),
        ("PUT", "/calendar/events/1/reminders", r#"{"minutes":[]}"#, 404),
        ("PUT", &event, "{}", 400),
        ("PUT", &event, r#"{"minutes":"10"}"#, 400),
    ] {
        assert_eq!(send(method, path, body).await.0, status, "{method} {path} {body}");
    }
    assert_eq!(stack.calendar.seen().len(), 5, "nobody was asked about those");
}
