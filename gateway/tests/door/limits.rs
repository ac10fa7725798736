//! Budgets, from outside.

use crate::{client::Client, stack::Stack};

const LOGIN: &str = r#"{"username":"ann","password":"wrong"}"#;

async fn login(client: Client, path: &str, headers: &[(&str, &str)]) -> (u16, Option<String>) {
    let answer = client.send("POST", path, headers, LOGIN).await;
    let limit = answer.header("x-ratelimit-limit").map(str::to_owned);
    if answer.status == 429 {
        assert_eq!(answer.code(), "rate_limited");
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
        let wait: u64 = answer.header("retry-after").expect("says when").parse().expect("seconds");
        assert!((1..=12).contains(&wait), "{wait}");
    }
    (answer.status, limit)
}

#[tokio::test]
async fn both_prefixes_share_one_budget() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let client = gateway.client();
    for path in ["/user/login", "/api/user/login", "/user/login", "/api/user/login", "/user/login"] {
        assert_eq!(login(client, path, &[]).await, (401, Some("5".to_owned())));
    }
    assert_eq!(login(client, "/user/login", &[]).await.0, 429);
    assert_eq!(login(client, "/api/user/login", &[]).await.0, 429);
    // Another route has a budget of its own.
    assert_eq!(client.get("/user/status", &[]).await.status, 200);
}

#[tokio::test]
async fn nobody_escapes_with_a_header() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let mut refused = 0;
    for n in 0..8 {
        let forged = format!("203.0.113.{n}");
        let headers = [
            ("X-Forwarded-For", forged.as_str()),
            ("X-Real-Ip", &forged),
            ("Forwarded", &format!("for={forged}")),
            ("CF-Connecting-IP", &forged),
        ];
        refused += u32::from(login(gateway.client(), "/user/login", &headers).await.0 == 429);
    }
    assert_eq!(refused, 3);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_budget() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--trusted-proxies", "127.0.0.0/8"]).await;
    for n in 0..8 {
        let hops = format!("203.0.113.7, 198.51.100.{n}");
        let headers = [("X-Forwarded-For", hops.as_str())];
        assert_eq!(login(gateway.client(), "/user/login", &headers).await.0, 401);
    }
    // One IPv6 /64 is one client, whatever it writes on the left.
    let mut refused = 0;
    for n in 0..8 {
        let hops = format!("10.0.0.{n}, 2001:db8:1:2::{n}");
        let headers = [("X-Forwarded-For", hops.as_str())];
        refused += u32::from(login(gateway.client(), "/user/login", &headers).await.0 == 429);
    }
    assert_eq!(refused, 3);
}

#[tokio::test]
async fn an_account_has_its_budget_wherever_it_comes_from() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--trusted-proxies", "127.0.0.0/8"]).await;
    let (ann, bob) = (stack.auth.person(), stack.auth.person());
    let get = async |token: &str, from: u32| {
        let (token, from) = (format!("Bearer {token}"), format!("198.51.100.{from}"));
        let headers = [("Authorization", token.as_str()), ("X-Forwarded-For", from.as_str())];
        gateway.client().get("/calendar/get_events", &headers).await
    };
    for n in 0..5 {
        let answer = get(&ann.token, n).await;
        assert_ne!(answer.status, 429);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some((4 - n).to_string().as_str()));
    }
    assert_eq!(get(&ann.token, 9).await.status, 429);
    assert_ne!(get(&bob.token, 9).await.status, 429, "another account from the same address");
}

#[tokio::test]
async fn a_setting_changes_a_budget() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&["--limit-login", "2"]).await;
    let client = gateway.client();
    assert_eq!(login(client, "/user/login", &[]).await, (401, Some("2".to_owned())));
    assert_eq!(login(client, "/user/login", &[]).await.0, 401);
    let answer = client.send("POST", "/user/login", &[], LOGIN).await;
    assert_eq!(answer.status, 429);
}
