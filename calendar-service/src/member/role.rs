//! Roles, and the way back for those who were removed.

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use uuid::Uuid;

use super::no_such_member;
use crate::{
    calendar::not_found,
    model::{ChangeKind, MemberView, NewChange, Role},
    service::Service,
};

/// Gives a member another role, or re-admits a removed one with it, as an owner.
/// The same role again changes nothing.
/// `calendar_not_found`, `forbidden`, `member_not_found`, `last_owner`.
pub async fn set_role(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    username: &str,
    role: Role,
) -> Result<MemberView, Fault> {
    let mut tx = service.store.begin().await?;
    let place = tx.enter(calendar_id, caller.account_id).await?.ok_or_else(not_found)?;
    place.role.may_rule()?;
    let (view, kind) = if let Some(member) = tx.member_named(calendar_id, username).await? {
        let view = MemberView {
            account_id: member.account_id,
            username: member.username,
            role,
            joined_at: member.joined_at,
        };
        if member.role == role {
            return Ok(view);
        }
        if member.role == Role::Owner
            && !tx.others(calendar_id, view.account_id).await?.is_some_and(|(_, owned)| owned)
        {
            return Err(Fault::of(Reason::LastOwner));
        }
        tx.update_role(calendar_id, view.account_id, role).await?;
        (view, ChangeKind::RoleChanged)
    } else {
        let (account_id, username) = tx.unbar(calendar_id, username).await?.ok_or_else(no_such_member)?;
        let joined = tx.insert_member(calendar_id, account_id, &username, role, place.last_seq + 1).await?;
        let joined_at = joined.ok_or_else(no_such_member)?;
        (MemberView { account_id, username: username.into(), role, joined_at }, ChangeKind::MemberJoined)
    };
    let who = (view.account_id, &*view.username);
    let change = NewChange::member(kind, &caller.username, who, Some(role));
    let changes = tx.append(calendar_id, vec![change]).await?;
    tx.commit().await?;
    service.announce(changes);
    Ok(view)
}
