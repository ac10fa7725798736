//! Signing keys over time.

use std::{sync::Arc, time::Duration};

use chassis::{clock::SystemClock, fault::Reason};
use jsonwebtoken::decode_header;
use proto::auth::v1::{JwksRequest, LoginResponse, auth_service_server::AuthService as _};
use serde_json::Value;
use sqlx::PgPool;
use tonic::Request;

use super::fixture::{Fixture, HOME, PASSWORD, reason};
use crate::app::App;

/// In minutes.
const DAY: u64 = 24 * 60;

/// The published kids, the oldest first.
async fn published(app: &App) -> Vec<String> {
    let answer = app.accounts.jwks(Request::new(JwksRequest {})).await.expect("keys").into_inner();
    let set: Value = serde_json::from_str(&answer.jwks_json).expect("JSON");
    let keys = set["keys"].as_array().expect("an array");
    for key in keys {
        assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
        assert_eq!((&key["alg"], &key["use"]), (&"EdDSA".into(), &"sig".into()));
        assert!(key.get("d").is_none(), "the private half is published");
    }
    keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

fn kid(login: &LoginResponse) -> String {
    decode_header(&login.token).expect("a header").kid.expect("a kid")
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn instances_that_start_at_once_agree_on_one_key(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    sqlx::query!("delete from signing_keys").execute(&fixture.pool).await.expect("a fresh database");
    let apps: Vec<_> = (0..8).map(|_| Arc::new(fixture.second_instance())).collect();
    let starts = apps.iter().map(|app| {
        let app = Arc::clone(app);
        tokio::spawn(async move { app.rotation.tend().await })
    });
    for start in starts.collect::<Vec<_>>() {
        assert!(start.await.expect("no panic").expect("tended"));
    }
    let first = published(&apps[0]).await;
    assert_eq!(first.len(), 1);
    for app in &apps {
        assert_eq!(published(app).await, first);
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_successor_is_published_before_it_signs_and_the_old_key_outlives_its_tokens(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.register("ann").await;
    let app = &fixture.app;
    let old_key = published(app).await[0].clone();

    // Worn after 90 days, and not before.
    fixture.advance(Duration::from_mins(90 * DAY - 1)).await;
    app.rotation.tend().await.expect("tended");
    assert_eq!(published(app).await, [old_key.as_str()]);
    fixture.advance(Duration::from_mins(2)).await;
    app.rotation.tend().await.expect("tended");
    let both = published(app).await;
    assert_eq!((both.len(), &both[0]), (2, &old_key));

    // Published, but it does not sign for five minutes.
    let last_of_old = fixture.login("ann").await;
    assert_eq!(kid(&last_of_old), old_key);
    fixture.advance(Duration::from_mins(4)).await;
    assert_eq!(kid(&fixture.login("ann").await), old_key);
    fixture.advance(Duration::from_mins(2)).await;
    let first_of_new = fixture.login("ann").await;
    assert_eq!(kid(&first_of_new), both[1]);

    // Tokens of both verify for as long as they live; then the old key goes.
    fixture.advance(Duration::from_mins(30 * DAY - 10)).await;
    app.rotation.tend().await.expect("tended");
    assert_eq!(published(app).await, both);
    app.verifier.verify(&last_of_old.token).await.expect("still good");
    app.verifier.verify(&first_of_new.token).await.expect("still good");
    fixture.advance(Duration::from_hours(2)).await;
    app.rotation.tend().await.expect("tended");
    assert_eq!(published(app).await, [both[1].as_str()]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_verifier_elsewhere_learns_a_new_key_in_time(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.register("ann").await;
    let new_key = fixture.app.rotation.rotate().await.expect("rotated");
    // An instance that has not looked since still signs with the key it knows.
    let before = fixture.login("ann").await;
    assert_ne!(kid(&before), new_key);
    fixture.app.rotation.tend().await.expect("tended");
    fixture.advance(Duration::from_mins(6)).await;
    let after = fixture.login("ann").await;
    assert_eq!(kid(&after), new_key);
    for login in [&before, &after] {
        fixture.app.verifier.verify(&login.token).await.expect("good");
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn revoked_keys_verify_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let new_key = fixture.app.rotation.revoke().await.expect("revoked");
    let restarted = fixture.second_instance();
    assert!(restarted.rotation.tend().await.expect("tended"));
    assert_eq!(published(&restarted).await, [new_key.as_str()]);
    let refused = restarted.verifier.verify(&ann.token).await.expect_err("revoked");
    assert_eq!(refused.reason, Reason::Unauthenticated);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn another_key_file_signs_nothing_and_verifies_everything(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let mut config = fixture.config.clone();
    config.key_file = config.key_file.with_file_name("other.key");
    let stranger = App::new(&config, fixture.pool.clone(), Arc::new(SystemClock)).expect("wired");
    assert_eq!(stranger.rotation.tend().await, Ok(false), "it must not call itself ready");
    stranger.verifier.verify(&ann.token).await.expect("public keys are public");
    let fixture = fixture.restart(|to| to.key_file = config.key_file).await;
    assert_eq!(reason(fixture.try_login("ann", PASSWORD, HOME).await), Reason::Unavailable);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn private_keys_are_not_in_the_database(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let sealed = sqlx::query_scalar!("select sealed_private_key from signing_keys");
    let sealed = sealed.fetch_one(&fixture.pool).await.expect("a key");
    // PKCS #8 of Ed25519 begins with this; what is sealed does not show it anywhere.
    let prefix = [0x06, 0x03, 0x2b, 0x65, 0x70];
    assert!(!sealed.windows(prefix.len()).any(|window| window == prefix));
}
