//! The services' own SQL, taken from their sources: what PostgreSQL is asked alone
//! is the very statement that it is asked by the product.

use anyhow::{Context as _, Result};

const CALENDAR: &str = include_str!("../../calendar-service/src/store/calendar.rs");
const EVENT_WINDOW: &str = include_str!("../../calendar-service/src/store/event_window.rs");
const SAGA: &str = include_str!("../../calendar-service/src/store/saga.rs");
const PARTICIPANT_SAGA: &str = include_str!("../../auth-service/src/store/participant_saga.rs");

const CLAIM: &str = include_str!("../../notification-service/src/store/claim.rs");
const RECORD: &str = include_str!("../../notification-service/src/store/record.rs");

/// What creates an event, one statement a step.
#[derive(Clone, Copy, Debug)]
pub struct CreateEvent {
    /// The pending event and its saga.
    pub begin: &'static str,
    /// The participants, in auth-service's database.
    pub reserve: &'static str,
    /// Locks the calendar.
    pub enter: &'static str,
    /// The event becomes visible, the log and the outbox say so.
    pub confirm: &'static str,
}

/// What fires timers, without the requests in between.
#[derive(Clone, Copy, Debug)]
pub struct ClaimTimers {
    /// Takes due rows for the length of a lease.
    pub claim: &'static str,
    /// Writes what came of them.
    pub record: &'static str,
}

/// What answers `get_events`.
pub fn get_events() -> Result<&'static str> {
    of(EVENT_WINDOW, "events_joined")
}

/// What `create_event` does until it is answered.
pub fn create_event() -> Result<CreateEvent> {
    Ok(CreateEvent {
        begin: of(SAGA, "begin_saga")?,
        reserve: of(PARTICIPANT_SAGA, "reserve")?,
        enter: of(CALENDAR, "enter")?,
        confirm: of(SAGA, "confirm_saga")?,
    })
}

/// What the due work of notification-service is claimed and recorded with.
pub fn claim_timers() -> Result<ClaimTimers> {
    Ok(ClaimTimers { claim: of(CLAIM, "claim")?, record: of(RECORD, "record")? })
}

/// The first raw string literal of a function.
fn of(source: &'static str, function: &str) -> Result<&'static str> {
    let body = source.split_once(&format!("fn {function}(")).map(|(_, body)| body);
    let text = body.and_then(|body| body.split_once("r#\"")?.1.split_once("\"#"));
    Ok(text.with_context(|| format!("no statement in {function}"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_have_these_statements() {
        assert!(get_events().expect("there").contains("order by e.starts_at"));
        let create = create_event().expect("there");
        assert!(create.begin.contains("insert into events") && create.begin.contains("insert into sagas"));
        assert!(create.reserve.contains("insert into participants"));
        assert!(create.enter.contains("for no key update"));
        assert!(create.confirm.contains("insert into calendar_changes"));
        let timers = claim_timers().expect("there");
        assert!(timers.claim.contains("for update skip locked"));
        assert!(timers.record.contains("d.fence = s.fence"));
    }

    #[test]
    fn a_function_without_a_statement_is_an_error() {
        assert!(of("fn other() { r#\"select 1\"# }", "wanted").is_err());
        assert_eq!(of("fn wanted() { r#\"select 1\"# }", "wanted").expect("there"), "select 1");
    }
}
