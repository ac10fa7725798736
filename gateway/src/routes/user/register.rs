//! `POST /user/register`: a new account.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::auth::v1::RegisterRequest;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    edge::{repeat::RepeatKey, session::Visitor},
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        object::Body,
    },
    state::App,
};

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
struct Registration {
    /// Letters, digits, `.` `_` `-`; unique without its case.
    #[schema(min_length = 3, max_length = 80, pattern = "^[A-Za-z0-9._-]+$", examples("ann"))]
    username: String,
    /// 8 to 128 characters.
    #[schema(value_type = String, min_length = 8, max_length = 128, format = Password, examples("correct horse battery"))]
    password: SecretString,
    /// The invitation, where the operator asks for one.
    #[schema(nullable)]
    code: Option<String>,
}

/// A new account.
#[derive(Serialize, ToSchema)]
struct Registered<'a> {
    #[schema(examples("User registered successfully!"))]
    message: &'static str,
    #[schema(examples("ann"))]
    username: &'a str,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::RegistrationClosed, Reason::UsernameTaken];
    Endpoint::new(routes!(register), "register", Audience::Visitors, faults)
}

/// Register
///
/// Makes an account. A browser or app then logs in with it.
#[utoipa::path(
    post, path = "/user/register", tag = "Accounts", params(RepeatKey), request_body = Registration,
    responses((status = 201, description = "The account exists", body = Registered)),
)]
async fn register(
    State(app): State<App>,
    visitor: Visitor,
    key: RepeatKey,
    Body(input): Body<Registration>,
) -> Result<Response, Problem> {
    let message = RegisterRequest {
        username: input.username,
        password: input.password.expose_secret().to_owned(),
        code: input.code.unwrap_or_default(),
    };
    let answered = app.upstream.auth().register(key.of_visitor(&visitor, message)).await?;
    let (said, account, _) = answered.into_parts();
    let answer = Registered { message: "User registered successfully!", username: &account.username };
    Ok(answer::marked(answer::json(StatusCode::CREATED, &answer), &said))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn name_and_password_are_texts_and_a_code_may_come() {
        let input: Registration =
            read(&json!({ "username": "ann", "password": "p", "is_admin": true })).ok().unwrap();
        assert_eq!((input.username.as_str(), input.password.expose_secret(), input.code), ("ann", "p", None));
        for (body, field) in [
            (json!({ "password": "p" }), "username"),
            (json!({ "username": "ann" }), "password"),
            (json!({ "username": "ann", "password": 5 }), "password"),
            (json!({ "username": null, "password": "p" }), "username"),
            (json!({ "username": "ann", "password": "p", "code": 5 }), "code"),
        ] {
            assert_eq!(read::<Registration>(&body).err().as_deref(), Some(field), "{body}");
        }
    }
}
