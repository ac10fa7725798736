//! Messages of `notification.v1`, from and to the words of the domain.

use chassis::fault::Fault;
use jiff::Timestamp;
use proto::notification::v1 as wire;
use uuid::Uuid;

use crate::{
    model::{TimerPage, TimerState, TimerView},
    timer,
};

/// Timers of a page, when nobody says how many, and at most.
const USUAL_PAGE: u32 = 100;
const LONGEST_PAGE: u32 = 1000;

/// A timer's id; one that is none names nothing.
pub(super) fn timer_id(text: &str) -> Result<Uuid, Fault> {
    text.parse().map_err(|_| timer::not_found())
}

/// Another id, whose absence is the caller's mistake.
pub(super) fn id(field: &str, text: &str) -> Result<Uuid, Fault> {
    text.parse().map_err(|_| Fault::invalid(field, "must be a UUID"))
}

/// An empty text is an absent one.
pub(super) fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn timer(view: TimerView) -> wire::Timer {
    wire::Timer {
        timer_id: view.timer_id.to_string(),
        time_left: view.time_left,
        state: view.state.as_str().to_owned(),
        attempts: view.attempts,
        last_status: view.last_status,
        fired_at: view.fired_at.map(|at| at.to_string()).unwrap_or_default(),
        due_at: view.due_at.to_string(),
        url: view.url,
        created_at: view.created_at.to_string(),
    }
}

pub(super) fn page(request: &wire::ListTimersRequest) -> Result<TimerPage, Fault> {
    let state = match request.state.as_str() {
        "" => None,
        state => Some(TimerState::parse(state).ok_or_else(|| {
            Fault::invalid("state", "must be waiting, delivering, delivered, failed or cancelled")
        })?),
    };
    let before = match request.cursor.as_str() {
        "" => None,
        cursor => Some(
            read_cursor(cursor)
                .ok_or_else(|| Fault::invalid("cursor", "must be the next_cursor of an earlier answer"))?,
        ),
    };
    let limit = if request.limit == 0 { USUAL_PAGE } else { request.limit.min(LONGEST_PAGE) };
    Ok(TimerPage { state, before, limit: i64::from(limit) })
}

/// Microseconds and id of the last timer of a page.
pub(super) fn cursor((at, timer_id): (Timestamp, Uuid)) -> String {
    format!("{}.{}", at.as_microsecond(), timer_id.simple())
}

fn read_cursor(text: &str) -> Option<(Timestamp, Uuid)> {
    let (at, timer_id) = text.split_once('.')?;
    Some((Timestamp::from_microsecond(at.parse().ok()?).ok()?, timer_id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let place = (Timestamp::from_microsecond(1_772_359_200_123_456).unwrap(), Uuid::from_u128(7));
        assert_eq!(read_cursor(&cursor(place)), Some(place));
        for text in ["", ".", "1", "x.y", "1.2", "99999999999999999999.00000000000000000000000000000007"] {
            assert!(read_cursor(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_page_has_bounds() {
        let limit = |limit| page(&wire::ListTimersRequest { limit, ..Default::default() }).unwrap().limit;
        assert_eq!((limit(0), limit(7), limit(u32::MAX)), (100, 7, 1000));
        let refused = page(&wire::ListTimersRequest { state: "late".to_owned(), ..Default::default() });
        assert_eq!(refused.unwrap_err().fields[0].field, "state");
    }
}
