//! `POST /user/password`: another password; all other sessions end.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use proto::auth::v1::ChangePasswordRequest;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        object::Body,
    },
    state::App,
};

/// The password that was and the one that shall be.
#[derive(Deserialize, ToSchema)]
struct PasswordChange {
    #[schema(value_type = String, format = Password, examples("correct horse battery"))]
    old: SecretString,
    /// 8 to 128 characters.
    #[schema(value_type = String, min_length = 8, max_length = 128, format = Password, examples("staple battery horse"))]
    new: SecretString,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::WrongPassword];
    Endpoint::new(routes!(password), "password", Audience::Callers, faults)
}

/// Change the password
///
/// All other sessions of the account end; the one that asks goes on.
#[utoipa::path(
    post, path = "/user/password", tag = "Accounts", request_body = PasswordChange,
    responses((status = 204, description = "The new password holds")),
)]
async fn password(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<PasswordChange>,
) -> Result<Response, Problem> {
    let message = ChangePasswordRequest {
        old_password: input.old.expose_secret().to_owned(),
        new_password: input.new.expose_secret().to_owned(),
    };
    let ended = app.upstream.auth().change_password(caller.request(message)).await?.into_inner();
    app.sessions.revoke(&ended.session_ids).await;
    Ok(answer::no_content())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn both_passwords_are_needed() {
        assert!(read::<PasswordChange>(&json!({ "old": "a", "new": "b" })).is_ok());
        assert_eq!(read::<PasswordChange>(&json!({ "new": "b" })).err().as_deref(), Some("old"));
        assert_eq!(read::<PasswordChange>(&json!({ "old": "a", "new": null })).err().as_deref(), Some("new"));
    }
}
