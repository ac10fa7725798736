//! Events in a window of time.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use uuid::Uuid;

use super::lists::{EventList, Shown};
use crate::{
    calendar,
    error::FieldErrors,
    member,
    model::{Instant, Zone, fold, read_date_time},
    service::Service,
    store::{EventRow, Known, Window, WindowPage},
};

/// A page without a limit.
const DEFAULT: u32 = 100;
/// The longest page.
const LONGEST: u32 = 1000;
/// The longest window of a page: two years, leap day and all.
const WIDEST: i64 = 2 * 366 * 86_400;
/// Events that one unpaged answer may hold.
const MOST: i64 = 50_000;
/// An event as JSON, when nothing in it is long.
const EVENT_BYTES: usize = 700;

/// A page of one calendar's events, as asked for.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// RFC 3339; empty: no bound.
    pub from: String,
    /// RFC 3339, the first instant that does not belong to it; empty: no bound.
    pub to: String,
    /// 0: 100. At most 1,000.
    pub limit: u32,
    /// Where the page before ended; empty: the first page.
    pub cursor: String,
}

/// The events of all calendars the caller is in, or of the one with this name
/// (empty: all), ordered by start. `calendar_not_found`, `not_a_member`,
/// `no_events`, `invalid`.
pub async fn joined(
    service: &Service,
    caller: &Identity,
    calendar_name: &str,
    from: &str,
    to: &str,
) -> Result<EventList, Fault> {
    let mut errors = FieldErrors::new();
    let window = read_window(from, to, &mut errors);
    errors.finish()?;
    let key = (!calendar_name.is_empty()).then(|| fold(calendar_name));
    let (store, account_id) = (&service.store, caller.account_id);
    let heard = service.lists.hear(&(account_id, &key, window));
    let known = if heard.again || store.may_use_standby() {
        Some(store.known(account_id, key.as_deref()).await?)
    } else {
        None
    };
    let read = async || {
        let rows =
            store.events_joined(account_id, key.as_deref(), (window, MOST + 1), known.as_deref()).await?;
        if rows.len() as i64 > MOST {
            let complaint = format!("name a window with at most {MOST} events, or read pages");
            return Err(Fault::invalid("from", complaint));
        }
        Ok(EventList { json: json(&rows), next_cursor: String::new() })
    };
    let list = match &known {
        Some(known) if heard.again => {
            let shown = Shown::Window(known.iter().map(|known| known.calendar_id).collect(), window);
            let know = async || store.known(account_id, key.as_deref()).await;
            service.lists.tell_again(heard, (shown, Arc::clone(known)), read, know).await?
        }
        _ => service.lists.tell(read).await?,
    };
    if list.is_empty() {
        if key.is_some() {
            member::find(service, caller, calendar_name).await?;
        }
        return Err(Fault::of(Reason::NoEvents));
    }
    Ok(list)
}

/// A page of one calendar's events in a window of at most two years (a missing
/// bound counts as two years from the other one). `calendar_not_found`, `invalid`.
pub async fn page(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    request: &PageRequest,
) -> Result<EventList, Fault> {
    let mut errors = FieldErrors::new();
    let window = read_window(&request.from, &request.to, &mut errors);
    if let (Some(from), Some(to)) = (window.from, window.to)
        && to.as_second() - from.as_second() > WIDEST
    {
        errors.add("to", "must be at most two years after from");
    }
    let limit = match request.limit {
        0 => DEFAULT,
        limit => limit,
    };
    if limit > LONGEST {
        errors.add("limit", format!("must be at most {LONGEST}"));
    }
    let after = match request.cursor.as_str() {
        "" => None,
        cursor => errors.take("cursor", read_cursor(cursor).ok_or("must be a next_cursor of ours")),
    };
    errors.finish()?;
    let window = match (window.from, window.to) {
        (Some(from), None) => Window { to: Some(from.plus(WIDEST)), ..window },
        (None, Some(to)) => Window { from: Some(to.plus(-WIDEST)), ..window },
        _ => window,
    };
    let (store, account_id) = (&service.store, caller.account_id);
    let page = WindowPage { window, after, limit: i64::from(limit) + 1 };
    let heard = service.lists.hear(&(account_id, calendar_id, page));
    let know = async || {
        let known = store.known_of(calendar_id, account_id).await?;
        Ok(Arc::<[Known]>::from([known.ok_or_else(calendar::not_found)?]))
    };
    let known = if heard.again || store.may_use_standby() { Some(know().await?) } else { None };
    let read = async || {
        let mut rows = store.events_of(calendar_id, account_id, page, known.as_deref()).await?;
        if rows.is_empty() {
            // Empty, or not the reader's (any more).
            store.membership(calendar_id, account_id).await?.ok_or_else(calendar::not_found)?;
        }
        let more = rows.len() > limit as usize;
        let next_cursor = rows.get(limit as usize - 1).filter(|_| more).map(EventRow::place);
        rows.truncate(limit as usize);
        Ok(EventList { json: json(&rows), next_cursor: next_cursor.map(write_cursor).unwrap_or_default() })
    };
    match &known {
        Some(known) if heard.again => {
            let shown = Shown::Page(calendar_id, page);
            service.lists.tell_again(heard, (shown, Arc::clone(known)), read, know).await
        }
        _ => service.lists.tell(read).await,
    }
}

fn json(rows: &[EventRow]) -> Bytes {
    let mut json = Vec::with_capacity(rows.len() * EVENT_BYTES + 2);
    serde_json::to_writer(&mut json, rows)
        .unwrap_or_else(|_| unreachable!("an event has neither maps nor floats to fail on"));
    json.into()
}

fn read_window(from: &str, to: &str, errors: &mut FieldErrors) -> Window {
    let mut bound = |field: &str, text: &str| match text {
        "" => None,
        text => errors.take(field, read_date_time(text, &Zone::utc())),
    };
    let (from, to) = (bound("from", from), bound("to", to));
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        errors.add("to", "must not be before from");
    }
    Window { from, to }
}

fn write_cursor((start, event_id): (Instant, Uuid)) -> String {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&start.as_second().to_be_bytes());
    bytes[8..].copy_from_slice(event_id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(cursor: &str) -> Option<(Instant, Uuid)> {
    let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let (start, event_id) = bytes.split_first_chunk::<8>()?;
    let start = Instant::from_second(i64::from_be_bytes(*start));
    // Two days beyond all years: what an index may hold.
    let known = Instant::from_second(-62_135_769_600)..=Instant::from_second(253_402_473_600);
    Some((start, Uuid::from_slice(event_id).ok()?)).filter(|_| known.contains(&start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back(second in -62_135_596_800_i64..=253_402_300_799, id in any::<u128>()) {
            let place = (Instant::from_second(second), Uuid::from_u128(id));
            prop_assert_eq!(read_cursor(&write_cursor(place)), Some(place));
        }

        #[test]
        fn a_foreign_cursor_is_refused_or_harmless(cursor in "[A-Za-z0-9_-]{0,40}") {
            if let Some((start, _)) = read_cursor(&cursor) {
                prop_assert!(start.as_second().abs() < 300_000_000_000);
            }
        }
    }
}
