//! Joins: a calendar's name is public, its password makes members.

use std::sync::Arc;

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};

use crate::{
    calendar::not_found,
    model::{ChangeKind, Joined, NewChange, Role, check_password},
    service::Service,
    store::FoundCalendar,
};

/// Makes the caller a member (editor) if they are not one yet; a password is
/// needed then. `calendar_not_found`, `wrong_password` (also when absent),
/// `rate_limited`, `barred`.
pub async fn join(
    service: &Service,
    caller: &Identity,
    calendar_name: &str,
    password: Option<&str>,
) -> Result<Joined, Fault> {
    let found = service.store.find_calendar(calendar_name, caller.account_id).await?.ok_or_else(not_found)?;
    if let Some(role) = found.role {
        return Ok(place(found, role));
    }
    if found.barred {
        return Err(Fault::of(Reason::Barred));
    }
    check(service, caller, &found, password).await?;
    admit(service, caller, found).await
}

/// The caller's place in the calendar of this name (`newly` is false).
/// `calendar_not_found`, `not_a_member`.
pub async fn find(service: &Service, caller: &Identity, calendar_name: &str) -> Result<Joined, Fault> {
    let found = service.store.find_calendar(calendar_name, caller.account_id).await?.ok_or_else(not_found)?;
    let role = found.role.ok_or_else(|| Fault::of(Reason::NotAMember))?;
    Ok(place(found, role))
}

/// Passes the right password. A try is counted before it is hashed; one without
/// a password, which guesses nothing, is not.
async fn check(
    service: &Service,
    caller: &Identity,
    found: &FoundCalendar,
    password: Option<&str>,
) -> Result<(), Fault> {
    let wrong = || Fault::of(Reason::WrongPassword);
    let password = password.ok_or_else(wrong)?;
    service.store.count_try(found.calendar_id, caller.account_id).await?;
    check_password(password).map_err(|_| wrong())?;
    let verified = service.passwords.verify(password.to_owned(), found.password_hash.clone()).await;
    if verified == Ok(false) {
        return Err(wrong());
    }
    // Right, or not looked at: only wrong ones count.
    if let Err(fault) = service.store.refund_try(found.calendar_id, caller.account_id).await {
        tracing::warn!(error = %fault, "cannot take back a counted try at a password");
    }
    verified.map(drop)
}

async fn admit(service: &Service, caller: &Identity, found: FoundCalendar) -> Result<Joined, Fault> {
    let calendar_id = found.calendar_id;
    let mut tx = service.store.begin().await?;
    let last_seq = tx.lock_calendar(calendar_id).await?.ok_or_else(not_found)?;
    if tx.is_barred(calendar_id, caller.account_id).await? {
        return Err(Fault::of(Reason::Barred));
    }
    let seq = last_seq + 1;
    let since = tx.insert_member(calendar_id, caller.account_id, &caller.username, Role::Editor, seq).await?;
    if since.is_none() {
        // Another connection of the caller was faster.
        drop(tx);
        let place = service.store.membership(calendar_id, caller.account_id).await?.ok_or_else(not_found)?;
        return Ok(Joined {
            calendar_id,
            calendar_name: place.calendar_name,
            role: place.role,
            last_seq: place.last_seq,
            newly: false,
        });
    }
    let who = (caller.account_id, &*caller.username);
    let change = NewChange::member(ChangeKind::MemberJoined, &caller.username, who, Some(Role::Editor));
    let changes = tx.append(calendar_id, vec![change]).await?;
    tx.commit().await?;
    service.announce(changes);
    Ok(Joined { last_seq: seq, newly: true, ..place(found, Role::Editor) })
}

fn place(found: FoundCalendar, role: Role) -> Joined {
    Joined {
        calendar_id: found.calendar_id,
        calendar_name: Arc::from(found.calendar_name),
        role,
        last_seq: found.last_seq,
        newly: false,
    }
}
