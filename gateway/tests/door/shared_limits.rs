//! Budgets of several gateways: one, counted in Redis; and what is left of it
//! when Redis is not well.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    client::Client,
    redis_server::RedisServer,
    stack::{Gateway, Stack},
};

const LOGIN: &str = r#"{"username":"ann","password":"wrong"}"#;
/// What the contract's five a minute give back meanwhile.
const ONE_MORE_EVERY: Duration = Duration::from_secs(12);

/// How many of some logins in a row are let through.
async fn allowed(client: Client, tries: usize) -> usize {
    let mut allowed = 0;
    for _ in 0..tries {
        let answer = client.send("POST", "/user/login", &[], LOGIN).await;
        assert!([401, 429].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("x-ratelimit-limit"), Some("5"));
        allowed += usize::from(answer.status == 401);
    }
    allowed
}

async fn two_gateways(stack: &Stack, redis: &RedisServer) -> (Gateway, Gateway) {
    let url = redis.url();
    (stack.gateway(&["--redis-url", &url]).await, stack.gateway(&["--redis-url", &url]).await)
}

#[tokio::test]
async fn two_gateways_share_one_budget() {
    let (stack, redis) = (Stack::start().await, RedisServer::start().await);
    let (one, other) = two_gateways(&stack, &redis).await;
    let begun = Instant::now();
    let mut remaining = Vec::new();
    for nth in 0..5 {
        let client = [one.client(), other.client()][nth % 2];
        let answer = client.send("POST", "/user/login", &[], LOGIN).await;
        remaining.push(answer.header("x-ratelimit-remaining").expect("shown").to_owned());
    }
    let refused = other.client().send("POST", "/user/login", &[], LOGIN).await;
    let on_both = allowed(one.client(), 3).await + allowed(other.client(), 3).await;
    // On a machine that took twelve seconds for eleven requests this says nothing.
    if begun.elapsed() < ONE_MORE_EVERY {
        assert_eq!(remaining, ["4", "3", "2", "1", "0"]);
        assert_eq!((refused.status, on_both), (429, 0));
        let wait: u64 = refused.header("retry-after").expect("says when").parse().expect("seconds");
        assert!((1..=12).contains(&wait), "{wait}");
    }
    let key = "gateway:limit:login:127.0.0.1";
    let owed = redis.ask(&["PTTL", key]).await;
    let owed: u64 = owed.trim().trim_start_matches(':').parse().expect("milliseconds");
    assert!(owed <= 60_000, "what is whole again is forgotten: {owed}");
}

/// The negative control: each for itself, two gateways give twice as much.
#[tokio::test]
async fn without_redis_each_has_its_own() {
    let stack = Stack::start().await;
    let (one, other) = (stack.gateway(&[]).await, stack.gateway(&[]).await);
    let both = allowed(one.client(), 7).await + allowed(other.client(), 7).await;
    assert!(both >= 10, "{both}");
}

#[tokio::test]
async fn large_budgets_ask_no_redis() {
    let (stack, redis) = (Stack::start().await, RedisServer::start().await);
    let gateway = stack.gateway(&["--redis-url", &redis.url()]).await;
    let token = format!("Bearer {}", stack.auth.person().token);
    let answer = gateway.client().get("/calendar/calendars", &[("Authorization", &token)]).await;
    assert_eq!(answer.header("x-ratelimit-limit"), Some("600"));
    assert_eq!(redis.ask(&["KEYS", "gateway:limit:*"]).await, "*0\r\n");
}

#[tokio::test]
async fn whatever_happens_to_redis_a_limit_holds_within_twice_its_figure() {
    let stack = Stack::start().await;
    let mut redis = RedisServer::start().await;
    let (one, other) = two_gateways(&stack, &redis).await;
    let both = async || allowed(one.client(), 4).await + allowed(other.client(), 4).await;
    let begun = Instant::now();
    let mut passed = both().await;
    redis.freeze();
    passed += both().await;
    redis.thaw();
    passed += both().await;
    redis.ask(&["FLUSHALL"]).await;
    passed += both().await;
    redis.kill().await;
    passed += both().await;
    redis.restart().await;
    passed += both().await;
    let given_back = 2 * begun.elapsed().as_secs().div_ceil(ONE_MORE_EVERY.as_secs()) as usize;
    assert!((5..=10 + given_back).contains(&passed), "{passed} in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_frozen_redis_costs_a_request_50_ms_at_most_and_is_used_again() {
    let (stack, redis) = (Stack::start().await, RedisServer::start().await);
    let url = redis.url();
    let gateway = stack.gateway(&["--redis-url", &url, "--limit-login", "60"]).await;
    let login = async || gateway.client().send("POST", "/user/login", &[], LOGIN).await;
    assert_eq!(login().await.status, 401);
    redis.freeze();
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(login().await.status, 401);
    }
    let each = begun.elapsed() / 20;
    assert!(each < Duration::from_millis(25), "every one pays for Redis: {each:?}");
    redis.thaw();
    redis.ask(&["FLUSHALL"]).await;
    let thawed = Instant::now();
    crate::stack::until("counted in Redis again", async || {
        login().await;
        redis.ask(&["EXISTS", "gateway:limit:login:127.0.0.1"]).await == ":1\r\n"
    })
    .await;
    assert!(thawed.elapsed() < Duration::from_secs(5), "{:?}", thawed.elapsed());
    // It was told what this gateway knew: twenty and more were let through.
    let owed = redis.ask(&["PTTL", "gateway:limit:login:127.0.0.1"]).await;
    let owed: u64 = owed.trim().trim_start_matches(':').parse().expect("milliseconds");
    assert!(owed > 10_000, "{owed}");
}
