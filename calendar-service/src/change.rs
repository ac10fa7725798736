//! Reading the log: all changes of a calendar, or what was said in it.

use std::sync::Arc;

use chassis::{fault::Fault, tokens::Identity};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::{calendar::not_found, model::frame, service::Service};

/// A page without a limit.
const DEFAULT: u32 = 100;
/// The longest page.
const LONGEST: u32 = 1000;

/// A page of messages without a limit.
const DEFAULT_MESSAGES: u32 = 50;
/// The longest page of messages.
const LONGEST_MESSAGES: u32 = 200;

/// A page of the log.
#[derive(Clone, Debug)]
pub struct ChangePage {
    /// Room frames, JSON, in order.
    pub frames: Vec<String>,
    /// The seq of the calendar's newest change.
    pub last_seq: i64,
}

/// A message that was kept.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its place in the log.
    pub seq: i64,
    /// The text.
    pub message: String,
    /// Who said it.
    pub by: Arc<str>,
    /// When, by the database's clock.
    pub at: Timestamp,
}

#[derive(Deserialize)]
struct Payload {
    message: String,
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
    let limit = read_limit(limit, DEFAULT, LONGEST)?;
    let place = service.store.membership(calendar_id, caller.account_id).await?.ok_or_else(not_found)?;
    let changes = service.store.changes_for(&place, since, limit).await?;
    let frames: Vec<_> = changes.iter().map(|change| frame(change, &place.calendar_name)).collect();
    let newest = changes.last().map_or(0, |change| change.seq);
    Ok(ChangePage { frames, last_seq: place.last_seq.max(newest) })
}

/// The messages before `before` (0: the newest) for a member, newest first;
/// `limit` 0 means 50, at most 200. `calendar_not_found`, `invalid`.
pub async fn messages(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    before: i64,
    limit: u32,
) -> Result<Vec<Said>, Fault> {
    if before < 0 {
        return Err(Fault::invalid("before", "must not be negative"));
    }
    let limit = read_limit(limit, DEFAULT_MESSAGES, LONGEST_MESSAGES)?;
    let before = if before == 0 { i64::MAX } else { before };
    let rows = service.store.messages_before(calendar_id, caller.account_id, before, limit).await?;
    if rows.is_empty() {
        let place = service.store.membership(calendar_id, caller.account_id).await?;
        place.ok_or_else(not_found)?;
    }
    let read = rows.into_iter().map(|change| {
        let payload: Payload =
            serde_json::from_str(&change.payload).map_err(|error| Fault::internal(&error))?;
        Ok(Said { seq: change.seq, message: payload.message, by: change.by, at: change.at })
    });
    read.collect()
}

fn read_limit(limit: u32, default: u32, longest: u32) -> Result<u32, Fault> {
    match limit {
        0 => Ok(default),
        limit if limit <= longest => Ok(limit),
        _ => Err(Fault::invalid("limit", format!("must be at most {longest}"))),
    }
}
