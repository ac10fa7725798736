//! Registrations with an idempotency key: a repeat gets the first answer.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chassis::{
    failpoint::{self, Action},
    fault::Reason,
    idempotency::{IdempotencyKey, Who, wire},
};
use proto::auth::v1::{RegisterRequest, RegisterResponse, auth_service_server::AuthService as _};
use sqlx::PgPool;
use tonic::{Request, Status};

use super::fixture::{Fixture, HOME, PASSWORD, fault, reason};

/// The answer, and whether it was given before.
async fn register(
    fixture: &Fixture,
    (username, password): (&str, &str),
    (visitor, key): (&str, &str),
) -> Result<(RegisterResponse, bool), Status> {
    let mut request = Request::new(RegisterRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        code: String::new(),
    });
    request.metadata_mut().insert(wire::KEY, key.parse().expect("ASCII"));
    request.metadata_mut().insert(wire::VISITOR, visitor.parse().expect("ASCII"));
    let response = fixture.app.accounts.register(request).await?;
    let replayed = wire::was_replayed(response.metadata());
    Ok((response.into_inner(), replayed))
}

async fn accounts(fixture: &Fixture) -> i64 {
    let accounts = sqlx::query_scalar!(r#"select count(*) as "n!" from accounts"#);
    accounts.fetch_one(&fixture.pool).await.expect("counted")
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_repeat_gets_the_first_answer_also_after_a_restart(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, replayed) = register(&fixture, ("Ann", PASSWORD), (HOME, "k")).await.expect("registered");
    assert!(!replayed);
    assert_eq!(
        register(&fixture, ("Ann", PASSWORD), (HOME, "k")).await.expect("again"),
        (first.clone(), true)
    );
    let fixture = fixture.restart(|_| {}).await;
    assert_eq!(register(&fixture, ("Ann", PASSWORD), (HOME, "k")).await.expect("again"), (first, true));
    assert_eq!(accounts(&fixture).await, 1);
    fixture.login("ann").await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn another_request_under_the_same_key_is_refused(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    register(&fixture, ("ann", PASSWORD), (HOME, "k")).await.expect("registered");
    for other in [("bob", PASSWORD), ("ann", "another horse"), ("Ann", PASSWORD)] {
        assert_eq!(
            reason(register(&fixture, other, (HOME, "k")).await),
            Reason::IdempotencyMismatch,
            "{other:?}"
        );
    }
    // From elsewhere it is another request.
    let elsewhere = register(&fixture, ("ann", PASSWORD), ("198.51.100.1", "k")).await;
    assert_eq!(reason(elsewhere), Reason::UsernameTaken);
    let (_, replayed) =
        register(&fixture, ("bob", PASSWORD), ("198.51.100.2", "k")).await.expect("registered");
    assert!(!replayed);
    assert_eq!(
        fault(register(&fixture, ("carl", PASSWORD), (HOME, "")).await).fields[0].field,
        "Idempotency-Key"
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_is_kept_tells_neither_key_nor_password(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    register(&fixture, ("ann", PASSWORD), (HOME, "very-own-key")).await.expect("registered");
    let kept: String = sqlx::query_scalar("select row_to_json(i)::text from idempotency i")
        .fetch_one(&fixture.pool)
        .await
        .expect("one row");
    for secret in [PASSWORD, "very-own-key", HOME] {
        assert!(!kept.contains(secret), "{kept}");
    }
    let secret: Vec<u8> = sqlx::query_scalar("select secret from idempotency_secret")
        .fetch_one(&fixture.pool)
        .await
        .expect("made with the table");
    assert_eq!((secret.len(), secret.iter().collect::<HashSet<_>>().len() > 8), (32, true));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn fifty_at_once_make_one_account_and_no_second_answer(pool: PgPool) {
    let fixture = Arc::new(Fixture::new(pool).await);
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            let key = IdempotencyKey::parse("k").expect("a key");
            // The use-case itself: the answer's deadline is not what is tested here.
            tokio::spawn(async move {
                let once = (Who::Visitor(HOME), Some(&key));
                fixture.app.accounts.register.run("ann", PASSWORD, "", once).await
            })
        })
        .collect();
    let (mut first, mut ids) = (0, HashSet::new());
    for one in tries {
        match one.await.expect("no panic") {
            Ok(registered) => {
                first += u32::from(!registered.replayed);
                ids.insert(registered.answer.account_id);
            }
            Err(fault) => assert_eq!(fault.reason, Reason::IdempotencyInFlight),
        }
    }
    assert_eq!((first, ids.len(), accounts(&fixture).await), (1, 1, 1));
}

/// The negative control: without a key a repeat hears that it was refused.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn without_a_key_a_repeat_is_another_request(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let nobody = || (Who::Visitor(HOME), None);
    let register = &fixture.app.accounts.register;
    assert!(register.run("ann", PASSWORD, "", nobody()).await.is_ok());
    let again = register.run("ann", PASSWORD, "", nobody()).await.expect_err("taken");
    assert_eq!(again.reason, Reason::UsernameTaken);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_crash_between_commit_and_answer_changes_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    failpoint::set("register.committed", Action::Refuse, Some(1));
    let lost = register(&fixture, ("ann", PASSWORD), (HOME, "k")).await;
    assert_eq!(reason(lost), Reason::Unavailable);
    let (answer, replayed) =
        register(&fixture, ("ann", PASSWORD), (HOME, "k")).await.expect("the first answer");
    assert!(replayed);
    assert_eq!(answer.username, "ann");
    failpoint::clear("register.committed");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_refusal_is_kept_for_24_hours_and_not_longer(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.register("ann").await;
    let refused = fault(register(&fixture, ("ann", PASSWORD), (HOME, "k")).await);
    assert_eq!((refused.reason, refused.replayed), (Reason::UsernameTaken, false));
    assert!(fault(register(&fixture, ("ann", PASSWORD), (HOME, "k")).await).replayed);
    // What is invalid may be put right under the same key.
    assert_eq!(reason(register(&fixture, ("b", PASSWORD), (HOME, "i")).await), Reason::Invalid);
    assert!(register(&fixture, ("bob", PASSWORD), (HOME, "i")).await.is_ok());
    fixture.advance(Duration::from_hours(24) + Duration::from_secs(1)).await;
    assert!(!fault(register(&fixture, ("ann", PASSWORD), (HOME, "k")).await).replayed);
    fixture.advance(Duration::from_hours(24) + Duration::from_secs(1)).await;
    crate::sweep::sweep(&fixture.app.store).await.expect("swept");
    let left: i64 = sqlx::query_scalar("select count(*) from idempotency")
        .fetch_one(&fixture.pool)
        .await
        .expect("counted");
    assert_eq!(left, 0);
}
