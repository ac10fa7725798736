//! Changing the password.

use chassis::fault::Reason;
use proto::auth::v1::{ChangePasswordRequest, LoginResponse, auth_service_server::AuthService as _};
use sqlx::PgPool;
use tonic::Status;

use super::fixture::{Fixture, HOME, PASSWORD, as_person, fault, reason};

const NEW: &str = "another horse";

async fn change(
    fixture: &Fixture,
    caller: &LoginResponse,
    old: &str,
    new: &str,
) -> Result<Vec<String>, Status> {
    let message = ChangePasswordRequest { old_password: old.to_owned(), new_password: new.to_owned() };
    let answer = fixture.app.accounts.change_password(as_person(message, caller)).await;
    answer.map(|ended| ended.into_inner().session_ids)
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn it_ends_all_other_sessions(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let (second, third) = (fixture.login("ann").await, fixture.login("ann").await);
    let bob = fixture.newcomer("bob").await;
    let mut ended = change(&fixture, &ann, PASSWORD, NEW).await.expect("changed");
    ended.sort();
    assert_eq!(ended, [second.session_id.as_str(), third.session_id.as_str()]);
    assert!(fixture.is_active(&ann.session_id).await && fixture.is_active(&bob.session_id).await);
    assert!(!fixture.is_active(&second.session_id).await && !fixture.is_active(&third.session_id).await);
    let with_old = fixture.try_login("ann", PASSWORD, HOME).await;
    assert_eq!(reason(with_old), Reason::InvalidCredentials);
    fixture.try_login("ann", NEW, HOME).await.expect("the new one works");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn it_wants_the_old_one_and_a_good_new_one(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    assert_eq!(reason(change(&fixture, &ann, "wrong horse", NEW).await), Reason::WrongPassword);
    assert_eq!(reason(change(&fixture, &ann, "", NEW).await), Reason::WrongPassword);
    for new in ["", "short", &"x".repeat(129)] {
        let fault = fault(change(&fixture, &ann, PASSWORD, new).await);
        assert_eq!((fault.reason, fault.fields[0].field.as_str()), (Reason::Invalid, "new"));
    }
    fixture.login("ann").await;
}

/// Logins that run beside the change: each either sees it or is ended by it.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn no_session_of_the_old_password_survives_a_race(pool: PgPool) {
    let fixture = std::sync::Arc::new(Fixture::new(pool).await);
    let ann = fixture.newcomer("ann").await;
    let logins: Vec<_> = (0..20)
        .map(|_| {
            let fixture = std::sync::Arc::clone(&fixture);
            tokio::spawn(async move { fixture.try_login("ann", PASSWORD, HOME).await })
        })
        .collect();
    change(&fixture, &ann, PASSWORD, NEW).await.expect("changed");
    for login in logins {
        if let Ok(opened) = login.await.expect("no panic") {
            assert!(!fixture.is_active(&opened.session_id).await, "a session of the old password lives");
        }
    }
    assert!(fixture.is_active(&ann.session_id).await);
}
