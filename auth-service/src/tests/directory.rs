//! Whose name is whose.

use chassis::fault::Reason;
use proto::auth::v1::{FindAccountRequest, directory_service_server::DirectoryService as _};
use sqlx::PgPool;
use tonic::Request;

use super::fixture::{Fixture, reason};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_name_is_found_whatever_its_case_and_by_services_only(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.register("Ann").await;
    let directory = &fixture.app.directory;
    let message = |name: &str| FindAccountRequest { username: name.to_owned() };
    for (name, expected) in [("Ann", ann.to_string()), ("aNN", ann.to_string()), ("bob", String::new())] {
        let answer = directory.find_account(fixture.as_service(message(name))).await.expect("answered");
        assert_eq!(answer.into_inner().account_id, expected, "{name}");
    }
    let nobody = directory.find_account(Request::new(message("Ann"))).await;
    assert_eq!(reason(nobody), Reason::Unauthenticated);
}
