//! A token is worth what its session is, with Redis well, frozen, empty, gone.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use crate::{
    auth::Mood,
    redis_server::RedisServer,
    signer::Person,
    stack::{Gateway, Stack, until},
};

/// The contract's second.
const SECOND: Duration = Duration::from_secs(1);

async fn status(gateway: &Gateway, person: &Person) -> u16 {
    let value = format!("Bearer {}", person.token);
    gateway.client().get("/calendar/calendars", &[("Authorization", &value)]).await.status
}

async fn log_out(gateway: &Gateway, person: &Person) {
    let value = format!("Bearer {}", person.token);
    let answer = gateway.client().send("POST", "/user/logout", &[("Authorization", &value)], "").await;
    assert_eq!(answer.status, 204);
}

/// Dead within a second, and dead it stays.
async fn assert_dead(gateway: &Gateway, person: &Person, since: Instant) {
    until("the token is dead", async || status(gateway, person).await == 401).await;
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    for _ in 0..20 {
        assert_eq!(status(gateway, person).await, 401);
    }
}

#[tokio::test]
async fn auth_service_is_asked_once_and_not_again_for_a_while() {
    let stack = Stack::start().await;
    let redis = RedisServer::start().await;
    let (one, other) = (redis.url(), redis.url());
    let (one, other) =
        (stack.gateway(&["--redis-url", &one]).await, stack.gateway(&["--redis-url", &other]).await);
    let person = stack.auth.person();
    for _ in 0..20 {
        assert_eq!(status(&one, &person).await, 200);
    }
    assert_eq!(stack.auth.asked.load(Ordering::SeqCst), 1);
    let key = format!("gateway:session:{}", person.session);
    until("Redis knows", async || redis.ask(&["GET", &key]).await.contains(&person.account.to_string()))
        .await;
    assert_eq!(status(&other, &person).await, 200);
    assert_eq!(stack.auth.asked.load(Ordering::SeqCst), 1, "the other gateway heard it from Redis");
    stack.auth.set_mood(Mood::Unavailable);
    assert_eq!(status(&one, &person).await, 200, "auth-service away, and remembered");
    assert_eq!(status(&one, &stack.auth.person()).await, 503, "auth-service away, and not known");
}

#[tokio::test]
async fn a_logout_is_heard_by_every_gateway_within_a_second() {
    let stack = Stack::start().await;
    let redis = RedisServer::start().await;
    let url = redis.url();
    // By the tombstone in Redis alone, and by auth-service's feed alone.
    for (feed, redis_url) in [(0, &["--redis-url", &*url][..]), (1, &[])] {
        stack.auth.feed.store(feed, Ordering::SeqCst);
        let (one, other) = (stack.gateway(redis_url).await, stack.gateway(redis_url).await);
        let person = stack.auth.person();
        assert_eq!((status(&one, &person).await, status(&other, &person).await), (200, 200));
        log_out(&one, &person).await;
        let since = Instant::now();
        assert_eq!(status(&one, &person).await, 401, "here at once");
        assert_dead(&other, &person, since).await;
    }
}

#[tokio::test]
async fn a_session_that_ends_behind_the_gateways_back_is_dead_within_a_second() {
    let stack = Stack::start().await;
    let redis = RedisServer::start().await;
    let gateway = stack.gateway(&["--redis-url", &redis.url()]).await;
    let person = stack.auth.person();
    assert_eq!(status(&gateway, &person).await, 200);
    stack.auth.end(person.session);
    assert_dead(&gateway, &person, Instant::now()).await;
}

#[tokio::test]
async fn a_revoked_token_stays_dead_through_freeze_thaw_flush_and_death_of_redis() {
    let stack = Stack::start().await;
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    let (one, other) =
        (stack.gateway(&["--redis-url", &url]).await, stack.gateway(&["--redis-url", &url]).await);
    let person = stack.auth.person();
    assert_eq!((status(&one, &person).await, status(&other, &person).await), (200, 200));
    let key = format!("gateway:session:{}", person.session);
    until("Redis knows", async || redis.ask(&["GET", &key]).await.contains(&person.account.to_string()))
        .await;
    // Redis keeps "live" through the freeze; the tombstone cannot be written.
    redis.freeze();
    log_out(&one, &person).await;
    assert_dead(&one, &person, Instant::now()).await;
    until("the feed has told", async || status(&other, &person).await == 401).await;
    redis.thaw();
    for _ in 0..50 {
        assert_eq!((status(&one, &person).await, status(&other, &person).await), (401, 401));
    }
    until("the tombstone is written after all", async || redis.ask(&["GET", &key]).await.contains("ended"))
        .await;
    redis.ask(&["FLUSHALL"]).await;
    for _ in 0..50 {
        assert_eq!((status(&one, &person).await, status(&other, &person).await), (401, 401));
    }
    redis.kill().await;
    assert_eq!((status(&one, &person).await, status(&other, &person).await), (401, 401));
}

#[tokio::test]
async fn without_redis_reads_are_answered_and_soon_no_slower() {
    let stack = Stack::start().await;
    let mut redis = RedisServer::start().await;
    let gateway = stack.gateway(&["--redis-url", &redis.url()]).await;
    assert_eq!(status(&gateway, &stack.auth.person()).await, 200);
    redis.freeze();
    // People that no cache knows: each would ask Redis first.
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(status(&gateway, &stack.auth.person()).await, 200);
    }
    let each = begun.elapsed() / 100;
    assert!(each < Duration::from_millis(25), "every one pays for Redis: {each:?}");
    redis.thaw();
    let remembered = async || {
        let person = stack.auth.person();
        assert_eq!(status(&gateway, &person).await, 200);
        let known = redis.ask(&["EXISTS", &format!("gateway:session:{}", person.session)]).await;
        known.contains(":1")
    };
    let thawed = Instant::now();
    until("Redis is in use again", remembered).await;
    assert!(thawed.elapsed() < Duration::from_secs(5), "{:?}", thawed.elapsed());
    redis.kill().await;
    for _ in 0..20 {
        assert_eq!(status(&gateway, &stack.auth.person()).await, 200);
    }
    redis.restart().await;
    let restarted = Instant::now();
    let remembered = async || {
        let person = stack.auth.person();
        assert_eq!(status(&gateway, &person).await, 200);
        redis.ask(&["EXISTS", &format!("gateway:session:{}", person.session)]).await.contains(":1")
    };
    until("Redis is in use again", remembered).await;
    assert!(restarted.elapsed() < Duration::from_secs(5), "{:?}", restarted.elapsed());
}

#[tokio::test]
async fn nobody_is_let_in_while_nobody_can_tell() {
    let stack = Stack::start().await;
    let gateway = stack.gateway(&[]).await;
    let person = stack.auth.person();
    stack.auth.set_mood(Mood::Hangs);
    let begun = Instant::now();
    assert!([503, 504].contains(&status(&gateway, &person).await));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    stack.auth.set_mood(Mood::Well);
    assert_eq!(status(&gateway, &person).await, 200);
}
