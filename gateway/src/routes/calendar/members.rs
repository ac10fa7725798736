//! `…/calendars/{calendar_id}/members`: who is in, and in which role.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::{self as words, ListMembersRequest, RemoveMemberRequest, SetRoleRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::{CalendarId, MemberPath},
        object::Body,
    },
    state::App,
};

/// Somebody who is in a calendar.
#[derive(Serialize, ToSchema)]
struct Member<'a> {
    #[schema(examples("bob"))]
    username: &'a str,
    /// `owner`, `editor` or `viewer`.
    #[schema(examples("editor"))]
    role: &'a str,
    #[schema(format = DateTime, examples("2026-03-01T12:00:00Z"))]
    joined_at: &'a str,
}

/// Who is in, longest first.
#[derive(Serialize, ToSchema)]
struct Members<'a> {
    members: Vec<Member<'a>>,
}

/// Another role.
#[derive(Deserialize, ToSchema)]
struct RoleChange {
    /// `owner`, `editor` or `viewer`.
    #[schema(pattern = "^(owner|editor|viewer)$", examples("viewer"))]
    role: String,
}

// === impl Member ===

impl<'a> From<&'a words::Member> for Member<'a> {
    fn from(member: &'a words::Member) -> Self {
        Self { username: &member.username, role: &member.role, joined_at: &member.joined_at }
    }
}

pub(in crate::routes) fn list_endpoint() -> Endpoint {
    Endpoint::new(routes!(list_members), "list_members", Audience::Callers, &[Reason::CalendarNotFound])
}

pub(in crate::routes) fn role_endpoint() -> Endpoint {
    let faults = &[
        Reason::Invalid,
        Reason::Forbidden,
        Reason::CalendarNotFound,
        Reason::MemberNotFound,
        Reason::LastOwner,
    ];
    Endpoint::new(routes!(set_role), "set_role", Audience::Callers, faults)
}

pub(in crate::routes) fn removal_endpoint() -> Endpoint {
    let faults = &[Reason::Forbidden, Reason::CalendarNotFound, Reason::MemberNotFound, Reason::LastOwner];
    Endpoint::new(routes!(remove_member), "remove_member", Audience::Callers, faults)
}

/// List members
#[utoipa::path(
    get, path = "/calendar/calendars/{calendar_id}/members", tag = "Members",
    params(("calendar_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "Who is in", body = Members)),
)]
async fn list_members(
    State(app): State<App>,
    caller: Caller,
    CalendarId(calendar_id): CalendarId,
) -> Result<Response, Problem> {
    let message = ListMembersRequest { calendar_id };
    let list = app.upstream.calendar().list_members(caller.request(message)).await?.into_inner();
    let members = list.members.iter().map(Member::from).collect();
    Ok(answer::json(StatusCode::OK, &Members { members }))
}

/// Change a role
///
/// Owners only. A removed member is re-admitted with the role. There is always an owner.
#[utoipa::path(
    patch, path = "/calendar/calendars/{calendar_id}/members/{username}", tag = "Members",
    params(("calendar_id" = String, Path, format = Uuid), ("username" = String, Path)),
    request_body(content(
        (RoleChange = "application/json"),
        (RoleChange = "application/merge-patch+json"),
    )),
    responses((status = 200, description = "The member as they are now; the room was told", body = Member)),
)]
async fn set_role(
    State(app): State<App>,
    caller: Caller,
    MemberPath { calendar_id, username }: MemberPath,
    Body(RoleChange { role }): Body<RoleChange>,
) -> Result<Response, Problem> {
    let message = SetRoleRequest { calendar_id, username, role };
    let member = app.upstream.calendar().set_role(caller.request(message)).await?.into_inner();
    Ok(answer::json(StatusCode::OK, &Member::from(&member)))
}

/// Remove a member
///
/// Owners only. Who was removed cannot rejoin by password until re-admitted. There is always an owner.
#[utoipa::path(
    delete, path = "/calendar/calendars/{calendar_id}/members/{username}", tag = "Members",
    params(("calendar_id" = String, Path, format = Uuid), ("username" = String, Path)),
    responses((status = 204, description = "They are out; the room was told")),
)]
async fn remove_member(
    State(app): State<App>,
    caller: Caller,
    MemberPath { calendar_id, username }: MemberPath,
) -> Result<Response, Problem> {
    let message = RemoveMemberRequest { calendar_id, username };
    app.upstream.calendar().remove_member(caller.request(message)).await?;
    Ok(answer::no_content())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn a_role_is_a_text() {
        assert_eq!(read::<RoleChange>(&json!({ "role": "viewer" })).ok().unwrap().role, "viewer");
        assert_eq!(read::<RoleChange>(&json!({})).err().as_deref(), Some("role"));
        assert_eq!(read::<RoleChange>(&json!({ "role": 1 })).err().as_deref(), Some("role"));
    }
}
