//! Members: join, leave, list, roles, removal.
//!
//! Who leaves a calendar, or is removed, is no participant of its events any
//! more, past ones included: `member_left` says so once for all of them, the
//! events take its seq. The first [`WITHDRAWN_AT_ONCE`] of them change with the
//! departure itself, the rest by a job in the outbox.

mod departure;
mod join;
mod role;

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use uuid::Uuid;

pub use self::{
    departure::{WITHDRAWN_AT_ONCE, leave, remove, remove_account},
    join::{find, join},
    role::set_role,
};
use crate::{calendar::not_found, model::MemberView, service::Service};

/// The members, longest in first. `calendar_not_found`.
pub async fn list(service: &Service, caller: &Identity, calendar_id: Uuid) -> Result<Vec<MemberView>, Fault> {
    let members = service.store.members_for(calendar_id, caller.account_id).await?;
    // A member sees at least themselves.
    if members.is_empty() { Err(not_found()) } else { Ok(members) }
}

/// The account of a username, when it shares a calendar with the caller (who
/// shares each of theirs with themselves). `not_found`.
pub async fn find_peer(service: &Service, account_id: Uuid, username: &str) -> Result<Uuid, Fault> {
    let peer = service.store.peer_named(account_id, username).await?;
    peer.ok_or_else(|| Fault::of(Reason::NotFound))
}

fn no_such_member() -> Fault {
    Fault::of(Reason::MemberNotFound)
}
