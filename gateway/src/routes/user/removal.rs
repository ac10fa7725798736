//! `DELETE /user`: the account goes, with its sessions and memberships.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use proto::auth::v1::DeleteAccountRequest;
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

/// Proof that it is meant.
#[derive(Deserialize, ToSchema)]
struct Removal {
    /// The account's.
    #[schema(value_type = String, format = Password, examples("correct horse battery"))]
    password: SecretString,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::WrongPassword];
    Endpoint::new(routes!(delete_account), "delete_account", Audience::Callers, faults)
}

/// Remove the account
///
/// All its sessions end at once; its memberships end soon after. There is no way back.
#[utoipa::path(
    delete, path = "/user", tag = "Accounts", request_body = Removal,
    responses((status = 204, description = "The account is gone")),
)]
async fn delete_account(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<Removal>,
) -> Result<Response, Problem> {
    let message = DeleteAccountRequest { password: input.password.expose_secret().to_owned() };
    let ended = app.upstream.auth().delete_account(caller.request(message)).await?.into_inner();
    app.sessions.revoke(&ended.session_ids).await;
    Ok(answer::no_content())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn the_password_is_needed() {
        assert!(read::<Removal>(&json!({ "password": "p" })).is_ok());
        assert_eq!(read::<Removal>(&json!({})).err().as_deref(), Some("password"));
    }
}
