//! What a client hears when a service does not do as it should.

use std::{sync::atomic::Ordering, time::Duration};

use chassis::fault::Reason;
use tokio::time::Instant;

use crate::{
    calendar::Next,
    client::Answer,
    h2_service::{H2Service, Manner},
    stack::{Gateway, Stack},
};

const CREATE: &str = r#"{"calendar_name":"home","calendar_password":"secret"}"#;

async fn read(gateway: &Gateway, token: &str) -> Answer {
    gateway.client().get("/calendar/calendars", &[("Authorization", &format!("Bearer {token}"))]).await
}

async fn write(gateway: &Gateway, token: &str) -> Answer {
    let headers = [("Authorization", &*format!("Bearer {token}"))];
    gateway.client().send("POST", "/calendar/create_calendar", &headers, CREATE).await
}

fn calls(stack: &Stack, method: &str) -> usize {
    stack.calendar.seen().iter().filter(|seen| seen.path.ends_with(method)).count()
}

#[tokio::test]
async fn a_read_is_tried_twice_and_a_write_once() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    stack.calendar.script([Next::Refusal(Reason::Unavailable)]);
    assert_eq!(read(&gateway, &person.token).await.status, 200);
    assert_eq!(calls(&stack, "ListCalendars"), 2);
    stack.calendar.script([Next::Refusal(Reason::Unavailable); 2]);
    let refused = read(&gateway, &person.token).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(calls(&stack, "ListCalendars"), 4, "two tries at most");
    stack.calendar.script([Next::Refusal(Reason::Unavailable)]);
    assert_eq!(write(&gateway, &person.token).await.status, 503);
    assert_eq!(calls(&stack, "CreateCalendar"), 1, "who knows whether it happened");
    // A refusal that is an answer is not tried again.
    stack.calendar.script([Next::Refusal(Reason::CalendarNotFound)]);
    assert_eq!(read(&gateway, &person.token).await.status, 404);
    assert_eq!(calls(&stack, "ListCalendars"), 5);
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_after_two_seconds() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    for write_it in [false, true] {
        stack.calendar.script([Next::Hangs, Next::Hangs]);
        let begun = Instant::now();
        let answer =
            if write_it { write(&gateway, &person.token).await } else { read(&gateway, &person.token).await };
        assert_eq!((answer.status, answer.code().as_str()), (504, "deadline_exceeded"));
        assert!(begun.elapsed() < Duration::from_millis(2900), "{:?}", begun.elapsed());
    }
    let seen = stack.calendar.seen();
    let timeout = seen.last().expect("a call").headers["grpc-timeout"].to_str().expect("text");
    assert!(timeout.ends_with('m') && timeout.len() <= 5, "{timeout}");
}

#[tokio::test]
async fn a_second_try_that_hangs_does_not_hide_what_the_first_one_said() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    stack.calendar.script([Next::Refusal(Reason::Unavailable), Next::Hangs]);
    let refused = read(&gateway, &person.token).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(calls(&stack, "ListCalendars"), 2, "it was tried again");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_503() {
    let stack = Stack::start().await;
    let gateway = stack.gateway_with(&[], |config| {
        config.services.calendar = "http://127.0.0.1:1".parse().expect("targets");
        config.calendar_sockets = "http://127.0.0.1:1".parse().expect("targets");
    });
    let gateway = gateway.await;
    let person = stack.auth.person();
    assert_eq!(read(&gateway, &person.token).await.status, 503);
    assert_eq!(write(&gateway, &person.token).await.status, 503);
    let headers = [("Authorization", &*format!("Bearer {}", person.token))];
    assert_eq!(gateway.client().websocket("/ws", &headers).await.0.status, 503);
}

#[tokio::test]
async fn the_callers_token_goes_on_and_nothing_else_of_theirs() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    let headers = [
        ("Authorization", &*format!("bearer   {}", person.token)),
        ("X-Service-Token", "forged"),
        ("Cookie", "a=b"),
        ("Grpc-Timeout", "1H"),
    ];
    assert_eq!(gateway.client().get("/calendar/calendars", &headers).await.status, 200);
    let seen = stack.calendar.seen().pop().expect("a call");
    assert_eq!(seen.headers[chassis::rpc::TOKEN], person.token);
    assert!(!seen.headers.contains_key("authorization"));
    assert!(!seen.headers.contains_key("x-service-token") && !seen.headers.contains_key("cookie"));
    assert_ne!(seen.headers["grpc-timeout"], "1H");
}

/// A gateway whose calendar-service is this one.
async fn before(service: &H2Service, stack: &Stack) -> Gateway {
    let uri = format!("http://{}", service.at).parse().expect("targets");
    stack.gateway_with(&[], |config| config.services.calendar = uri).await
}

#[tokio::test]
async fn a_write_that_broke_off_is_not_called_unavailable() {
    let stack = Stack::start().await;
    let service = H2Service::start(Manner::HangsUp).await;
    let gateway = before(&service, &stack).await;
    let person = stack.auth.person();
    let answer = write(&gateway, &person.token).await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "deadline_exceeded"));
    assert_eq!(service.taken.load(Ordering::SeqCst), 1, "once: it may have happened");
    let answer = read(&gateway, &person.token).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert_eq!(service.taken.load(Ordering::SeqCst), 3, "a read is tried again");
}

#[tokio::test]
async fn a_service_that_goes_away_in_order_costs_no_request() {
    let stack = Stack::start().await;
    let service = H2Service::start(Manner::GoesAwayAfter(3)).await;
    let gateway = before(&service, &stack).await;
    for _ in 0..20 {
        let mut calls = Vec::new();
        for _ in 0..5 {
            // Each of their own: five a minute.
            let (client, person) = (gateway.client(), stack.auth.person());
            calls.push(tokio::spawn(async move {
                let headers = [("Authorization", &*format!("Bearer {}", person.token))];
                client.send("POST", "/calendar/create_calendar", &headers, CREATE).await.status
            }));
        }
        for call in calls {
            assert_eq!(call.await.expect("an answer"), 201);
        }
    }
    assert_eq!(service.taken.load(Ordering::SeqCst), 100, "each once");
}

#[tokio::test]
async fn an_answer_that_stops_halfway_is_given_up_too() {
    let stack = Stack::start().await;
    let service = H2Service::start(Manner::StopsHalfway).await;
    let gateway = before(&service, &stack).await;
    let begun = Instant::now();
    assert_eq!(read(&gateway, &stack.auth.person().token).await.status, 504);
    assert!(begun.elapsed() < Duration::from_millis(2900), "{:?}", begun.elapsed());
}
