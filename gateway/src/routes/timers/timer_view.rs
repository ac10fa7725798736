//! A timer as its owner sees it: in two members, or in all.

use proto::notification::v1 as words;
use serde::Serialize;
use utoipa::ToSchema;

/// A timer in short.
#[derive(Serialize, ToSchema)]
pub(super) struct Timer<'a> {
    #[schema(format = Uuid, examples("019a9d2e-3333-7e70-a1f6-0123456789ab"))]
    id: &'a str,
    /// Whole seconds, rounded up; 0 when it is due or has fired.
    #[schema(examples(10))]
    time_left: u64,
}

/// A timer and what became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct TimerStatus<'a> {
    #[schema(format = Uuid, examples("019a9d2e-3333-7e70-a1f6-0123456789ab"))]
    id: &'a str,
    #[schema(examples(0))]
    time_left: u64,
    /// `waiting`, `delivering`, `delivered`, `failed` or `cancelled`.
    #[schema(examples("delivered"))]
    state: &'a str,
    /// Requests that were sent.
    #[schema(examples(1))]
    attempts: u32,
    /// The HTTP status of the last answer; null: none yet, or there was no answer.
    #[schema(required, examples(200))]
    last_status: Option<u32>,
    /// Null: not yet.
    #[schema(required, format = DateTime, examples("2026-03-01T12:00:10Z"))]
    fired_at: Option<&'a str>,
}

/// A timer in a list.
#[derive(Serialize, ToSchema)]
struct TimerEntry<'a> {
    #[schema(format = Uuid, examples("019a9d2e-3333-7e70-a1f6-0123456789ab"))]
    id: &'a str,
    #[schema(examples(0))]
    time_left: u64,
    /// `waiting`, `delivering`, `delivered`, `failed` or `cancelled`.
    #[schema(examples("delivered"))]
    state: &'a str,
    /// Requests that were sent.
    #[schema(examples(1))]
    attempts: u32,
    /// The HTTP status of the last answer; null: none yet, or there was no answer.
    #[schema(required, examples(200))]
    last_status: Option<u32>,
    /// Null: not yet.
    #[schema(required, format = DateTime, examples("2026-03-01T12:00:10Z"))]
    fired_at: Option<&'a str>,
    #[schema(format = DateTime, examples("2026-03-01T12:00:10Z"))]
    due_at: &'a str,
    #[schema(examples("https://receiver.example/timers"))]
    url: &'a str,
    #[schema(format = DateTime, examples("2026-03-01T12:00:00Z"))]
    created_at: &'a str,
}

/// A page of timers, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct TimerPage<'a> {
    timers: Vec<TimerEntry<'a>>,
    /// For `cursor` of the next call; null on the last page.
    #[schema(required)]
    next_cursor: Option<&'a str>,
}

// === impl Timer ===

impl<'a> From<&'a words::Timer> for Timer<'a> {
    fn from(timer: &'a words::Timer) -> Self {
        Self { id: &timer.timer_id, time_left: timer.time_left }
    }
}

// === impl TimerStatus ===

impl<'a> From<&'a words::Timer> for TimerStatus<'a> {
    fn from(timer: &'a words::Timer) -> Self {
        Self {
            id: &timer.timer_id,
            time_left: timer.time_left,
            state: &timer.state,
            attempts: timer.attempts,
            last_status: Some(timer.last_status).filter(|status| *status != 0),
            fired_at: Some(timer.fired_at.as_str()).filter(|at| !at.is_empty()),
        }
    }
}

// === impl TimerEntry ===

impl<'a> From<&'a words::Timer> for TimerEntry<'a> {
    fn from(timer: &'a words::Timer) -> Self {
        let TimerStatus { id, time_left, state, attempts, last_status, fired_at } = timer.into();
        let words::Timer { due_at, url, created_at, .. } = timer;
        Self { id, time_left, state, attempts, last_status, fired_at, due_at, url, created_at }
    }
}

// === impl TimerPage ===

impl<'a> From<&'a words::ListTimersResponse> for TimerPage<'a> {
    fn from(list: &'a words::ListTimersResponse) -> Self {
        Self {
            timers: list.timers.iter().map(TimerEntry::from).collect(),
            next_cursor: Some(list.next_cursor.as_str()).filter(|cursor| !cursor.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &impl Serialize) -> String {
        serde_json::to_string(value).expect("JSON")
    }

    #[test]
    fn a_timer_has_exactly_what_the_contract_says() {
        let mut timer = words::Timer {
            timer_id: "t".into(),
            time_left: 10,
            state: "waiting".into(),
            due_at: "2026-03-01T12:00:10Z".into(),
            url: "https://receiver.example".into(),
            created_at: "2026-03-01T12:00:00Z".into(),
            ..words::Timer::default()
        };
        assert_eq!(text(&Timer::from(&timer)), r#"{"id":"t","time_left":10}"#);
        assert_eq!(
            text(&TimerStatus::from(&timer)),
            r#"{"id":"t","time_left":10,"state":"waiting","attempts":0,"last_status":null,"fired_at":null}"#
        );
        timer = words::Timer {
            attempts: 2,
            last_status: 503,
            fired_at: "2026-03-01T12:00:11Z".into(),
            time_left: 0,
            ..timer
        };
        let list = words::ListTimersResponse { timers: vec![timer], next_cursor: "c".into() };
        assert_eq!(
            text(&TimerPage::from(&list)),
            concat!(
                r#"{"timers":[{"id":"t","time_left":0,"state":"waiting","attempts":2,"last_status":503,"#,
                r#""fired_at":"2026-03-01T12:00:11Z","due_at":"2026-03-01T12:00:10Z","#,
                r#""url":"https://receiver.example","created_at":"2026-03-01T12:00:00Z"}],"next_cursor":"c"}"#
            )
        );
    }
}
