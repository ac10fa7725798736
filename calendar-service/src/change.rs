//! Reading the log: REST `since`.

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use crate::service::Service;

/// A page of the log.
#[derive(Clone, Debug)]
pub struct ChangePage {
    /// Room frames, JSON, in order.
    pub frames: Vec<String>,
    /// The seq of the calendar's newest change.
    pub last_seq: i64,
}

/// The changes after `since` for a member; `limit` 0 means 100, at most 1,000.
/// `calendar_not_found`.
pub async fn since(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    since: i64,
    limit: u32,
) -> Result<ChangePage, Fault> {
    let _ = (service, caller, calendar_id, since, limit);
    todo!()
}
