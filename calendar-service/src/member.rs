//! Members: join, leave, list, roles, removal.

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use crate::{
    model::{Joined, MemberView, Role},
    service::Service,
};

/// Makes the caller a member (editor) if they are not one yet; a password is
/// needed then. `calendar_not_found`, `wrong_password`, `rate_limited`, `barred`.
pub async fn join(
    service: &Service,
    caller: &Identity,
    calendar_name: &str,
    password: Option<&str>,
) -> Result<Joined, Fault> {
    let _ = (service, caller, calendar_name, password);
    todo!()
}

/// The caller's place in the calendar of this name (`newly` is false).
/// `calendar_not_found`, `not_a_member`.
pub async fn find(service: &Service, caller: &Identity, calendar_name: &str) -> Result<Joined, Fault> {
    let _ = (service, caller, calendar_name);
    todo!()
}

/// Ends the caller's membership; answers the calendar it was in.
/// `calendar_not_found`, `not_a_member`.
pub async fn leave(service: &Service, caller: &Identity, calendar_name: &str) -> Result<Uuid, Fault> {
    let _ = (service, caller, calendar_name);
    todo!()
}

/// The members, longest in first. `calendar_not_found`.
pub async fn list(service: &Service, caller: &Identity, calendar_id: Uuid) -> Result<Vec<MemberView>, Fault> {
    let _ = (service, caller, calendar_id);
    todo!()
}

/// Gives a member another role, or re-admits a removed one with it, as an owner.
/// `calendar_not_found`, `forbidden`, `member_not_found`, `last_owner`.
pub async fn set_role(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    username: &str,
    role: Role,
) -> Result<MemberView, Fault> {
    let _ = (service, caller, calendar_id, username, role);
    todo!()
}

/// Removes a member and bars them, as an owner.
/// `calendar_not_found`, `forbidden`, `member_not_found`, `last_owner`.
pub async fn remove(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    username: &str,
) -> Result<(), Fault> {
    let _ = (service, caller, calendar_id, username);
    todo!()
}

/// Ends every membership of an account that is gone. Idempotent.
pub async fn remove_account(service: &Service, account_id: Uuid) -> Result<(), Fault> {
    let _ = (service, account_id);
    todo!()
}
