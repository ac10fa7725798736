//! Reading the log: REST `since`.

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use crate::{calendar::not_found, model::frame, service::Service};

/// A page without a limit.
const DEFAULT: u32 = 100;
/// The longest page.
const LONGEST: u32 = 1000;

/// A page of the log.
#[derive(Clone, Debug)]
pub struct ChangePage {
    /// Room frames, JSON, in order.
    pub frames: Vec<String>,
    /// The seq of the calendar's newest change.
    pub last_seq: i64,
}

/// The changes after `since` for a member; `limit` 0 means 100, at most 1,000.
/// `calendar_not_found`, `invalid`.
pub async fn since(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    since: i64,
    limit: u32,
) -> Result<ChangePage, Fault> {
    if since < 0 {
        return Err(Fault::invalid("since", "must not be negative"));
    }
    let limit = match limit {
        0 => DEFAULT,
        limit @ 1..=LONGEST => limit,
        _ => return Err(Fault::invalid("limit", format!("must be at most {LONGEST}"))),
    };
    let place = service.store.membership(calendar_id, caller.account_id).await?.ok_or_else(not_found)?;
    let changes = service.store.changes_after(calendar_id, since, limit).await?;
    let frames: Vec<_> = changes.iter().map(|change| frame(change, &place.calendar_name)).collect();
    let newest = changes.last().map_or(0, |change| change.seq);
    Ok(ChangePage { frames, last_seq: place.last_seq.max(newest) })
}
