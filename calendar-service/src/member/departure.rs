//! The ends of memberships: leaving, removal, the end of an account.

use std::sync::Arc;

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use uuid::Uuid;

use super::{join, no_such_member};
use crate::{
    calendar::{self, not_found},
    model::{Change, ChangeKind, Membership, NewChange, Role},
    outbox,
    service::Service,
    store::Tx,
};

/// Events that change together with a departure; more follow by a job.
pub const WITHDRAWN_AT_ONCE: i64 = 500;

/// Ends the caller's membership; answers the calendar it was in. Ownership
/// passes to the member longest in; with the last one the calendar goes.
/// `calendar_not_found`, `not_a_member`.
pub async fn leave(service: &Service, caller: &Identity, calendar_name: &str) -> Result<Uuid, Fault> {
    let place = join::find(service, caller, calendar_name).await?;
    let mut tx = service.store.begin().await?;
    let entered = tx.enter(place.calendar_id, caller.account_id).await?;
    let entered = entered.ok_or_else(|| Fault::of(Reason::NotAMember))?;
    let changes = depart(&mut tx, &entered, (caller.account_id, &caller.username)).await?;
    tx.commit().await?;
    service.announce(changes);
    Ok(place.calendar_id)
}

/// Removes a member and bars them, as an owner. An owner who names themselves
/// is told `last_owner`, or removed like anybody else.
/// `calendar_not_found`, `forbidden`, `member_not_found`, `last_owner`.
pub async fn remove(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    username: &str,
) -> Result<(), Fault> {
    let mut tx = service.store.begin().await?;
    let place = tx.enter(calendar_id, caller.account_id).await?.ok_or_else(not_found)?;
    place.role.may_rule()?;
    let member = tx.member_named(calendar_id, username).await?.ok_or_else(no_such_member)?;
    if member.role == Role::Owner {
        let others = tx.others(calendar_id, member.account_id).await?;
        if !others.is_some_and(|(_, owned)| owned) {
            return Err(Fault::of(Reason::LastOwner));
        }
    }
    tx.bar(calendar_id, member.account_id, &member.username).await?;
    tx.delete_member(calendar_id, member.account_id).await?;
    let who = (member.account_id, &*member.username);
    let left = NewChange::member(ChangeKind::MemberLeft, &caller.username, who, None);
    let changes = tx.append(calendar_id, vec![left]).await?;
    withdraw(&mut tx, calendar_id, member.account_id, place.last_seq + 1).await?;
    tx.commit().await?;
    service.announce(changes);
    Ok(())
}

/// Ends every membership of an account that is gone. Idempotent; a repeat goes
/// on where the first one was interrupted.
pub async fn remove_account(service: &Service, account_id: Uuid) -> Result<(), Fault> {
    for place in service.store.memberships(account_id).await? {
        let mut tx = service.store.begin().await?;
        let Some(entered) = tx.enter(place.calendar_id, account_id).await? else { continue };
        let Some(username) = tx.username(place.calendar_id, account_id).await? else { continue };
        let changes = depart(&mut tx, &entered, (account_id, &username.into())).await?;
        tx.commit().await?;
        service.announce(changes);
    }
    service.store.forget_inbox(account_id).await?;
    service.store.forget_bars(account_id).await
}

/// Takes an account out of a calendar that it has entered.
async fn depart(
    tx: &mut Tx,
    place: &Membership,
    (account_id, username): (Uuid, &Arc<str>),
) -> Result<Vec<Change>, Fault> {
    let calendar_id = place.calendar_id;
    let others = tx.others(calendar_id, account_id).await?;
    let mut changes = Vec::new();
    if let Some((heir, false)) = &others {
        tx.update_role(calendar_id, heir.account_id, Role::Owner).await?;
        let who = (heir.account_id, &*heir.username);
        changes.push(NewChange::member(ChangeKind::RoleChanged, username, who, Some(Role::Owner)));
    }
    tx.delete_member(calendar_id, account_id).await?;
    changes.push(NewChange::member(ChangeKind::MemberLeft, username, (account_id, username), None));
    let left = place.last_seq + changes.len() as i64;
    let is_last = others.is_none();
    if is_last {
        changes.push(calendar::end(tx, calendar_id, username).await?);
    }
    let changes = tx.append(calendar_id, changes).await?;
    if !is_last {
        withdraw(tx, calendar_id, account_id, left).await?;
    }
    Ok(changes)
}

/// Takes a departed account off the participants of the calendar's events, and
/// forgets its own reminders of them; what is too much for one statement becomes
/// a job.
async fn withdraw(tx: &mut Tx, calendar_id: Uuid, account_id: Uuid, seq: i64) -> Result<(), Fault> {
    let touched = tx.withdraw_participant(calendar_id, account_id, seq, WITHDRAWN_AT_ONCE).await?;
    let forgotten = tx.forget_choices(calendar_id, account_id, seq, WITHDRAWN_AT_ONCE).await?;
    if touched.max(forgotten) == WITHDRAWN_AT_ONCE as u64 {
        outbox::queue_departure(tx, calendar_id, account_id, seq).await?;
    }
    Ok(())
}
