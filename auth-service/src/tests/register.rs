//! Registration.

use std::sync::Arc;

use chassis::{fault::Reason, idempotency::Who};
use proto::auth::v1::{RegisterRequest, RegisterResponse, auth_service_server::AuthService as _};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::fixture::{Fixture, PASSWORD, fault, reason};
use crate::Registration;

async fn register(
    fixture: &Fixture,
    username: &str,
    password: &str,
    code: &str,
) -> Result<RegisterResponse, Status> {
    let request = RegisterRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        code: code.to_owned(),
    };
    fixture.app.accounts.register(Request::new(request)).await.map(Response::into_inner)
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_name_keeps_its_case_and_is_taken_in_any_case(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let answer = register(&fixture, "Ann.Other-1", PASSWORD, "").await.expect("registered");
    assert_eq!(answer.username, "Ann.Other-1");
    for name in ["Ann.Other-1", "ann.other-1", "ANN.OTHER-1"] {
        assert_eq!(reason(register(&fixture, name, PASSWORD, "").await), Reason::UsernameTaken, "{name}");
    }
    assert_eq!(fixture.login("ANN.other-1").await.username, "Ann.Other-1");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn bad_input_names_its_fields_and_leaves_nothing_behind(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    for (username, password, fields) in [
        ("", "", vec!["username", "password"]),
        ("ab", PASSWORD, vec!["username"]),
        ("ann ann", PASSWORD, vec!["username"]),
        ("ann\0", PASSWORD, vec!["username"]),
        ("ann", "short", vec!["password"]),
        ("ann", &"x".repeat(129), vec!["password"]),
    ] {
        let fault = fault(register(&fixture, username, password, "").await);
        assert_eq!(fault.reason, Reason::Invalid);
        let named: Vec<_> = fault.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(named, fields, "{username:?} {password:?}");
    }
    let accounts = sqlx::query_scalar!(r#"select count(*) as "n!" from accounts"#);
    assert_eq!(accounts.fetch_one(&fixture.pool).await.expect("counted"), 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_operator_decides_who_may_register(pool: PgPool) {
    let by_code = Registration::Code("sesame".to_owned().into());
    let fixture = Fixture::with(pool, |config| config.registration = by_code).await;
    assert_eq!(reason(register(&fixture, "ann", PASSWORD, "").await), Reason::RegistrationClosed);
    assert_eq!(reason(register(&fixture, "ann", PASSWORD, "Sesame").await), Reason::RegistrationClosed);
    assert!(register(&fixture, "ann", PASSWORD, "sesame").await.is_ok());

    let fixture = fixture.restart(|config| config.registration = Registration::Closed).await;
    assert_eq!(reason(register(&fixture, "bob", PASSWORD, "sesame").await), Reason::RegistrationClosed);
    fixture.login("ann").await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn fifty_registrations_of_one_name_make_one_account(pool: PgPool) {
    let fixture = Arc::new(Fixture::new(pool).await);
    let tries: Vec<_> = (0..50)
        .map(|n| {
            let fixture = Arc::clone(&fixture);
            // The use-case itself: the answer's deadline is not what is tested here.
            let name = if n % 2 == 0 { "ann" } else { "Ann" };
            let nobody = (Who::Visitor(""), None);
            tokio::spawn(async move { fixture.app.accounts.register.run(name, PASSWORD, "", nobody).await })
        })
        .collect();
    let mut made = 0;
    for one in tries {
        match one.await.expect("no panic") {
            Ok(_) => made += 1,
            Err(fault) => assert_eq!(fault.reason, Reason::UsernameTaken),
        }
    }
    assert_eq!(made, 1);
}
