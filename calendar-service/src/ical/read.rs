//! The index of an object: the one function that derives the columns.

use jiff::{
    ToSpan as _,
    civil::{Date, DateTime},
};
use uuid::Uuid;

use super::{
    IcalError, alarm,
    content::{Component, Line},
    text::unescape,
};
use crate::model::{Instant, When, Zone};

/// What the columns say about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// UID.
    pub uid: String,
    /// SUMMARY.
    pub summary: String,
    /// DTSTART, DTEND or DURATION, and the zone.
    pub when: When,
    /// LOCATION.
    pub location: String,
    /// DESCRIPTION.
    pub description: String,
    /// Minutes before the start; ascending, each once. None: those of the calendar.
    pub reminders: Option<Vec<u32>>,
    /// The ATTENDEEs that are accounts, in order.
    pub participants: Vec<Uuid>,
    /// SEQUENCE.
    pub sequence: i32,
    /// STATUS, or empty.
    pub status: String,
}

/// Derives the columns.
pub fn columns(ical: &str) -> Result<Columns, IcalError> {
    read(&Component::parse(ical)?)
}

/// Whether this is the event itself, not one changed occurrence of it.
pub(super) fn is_event(component: &Component) -> bool {
    component.is("VEVENT") && component.line("RECURRENCE-ID").is_none()
}

pub(super) fn read(object: &Component) -> Result<Columns, IcalError> {
    let event = object.components().find(|component| is_event(component));
    let event = event.filter(|_| object.is("VCALENDAR")).ok_or(IcalError("no event in it"))?;
    let text = |name: &str| event.line(name).map(|line| unescape(&line.value)).unwrap_or_default();
    let mut reminders: Vec<_> = event.components().filter_map(alarm::minutes).collect();
    reminders.sort_unstable();
    reminders.dedup();
    let names_reminders = !reminders.is_empty() || event.line(alarm::NO_REMINDERS).is_some();
    Ok(Columns {
        uid: event.line("UID").ok_or(IcalError("an event without UID"))?.value.clone(),
        summary: text("SUMMARY"),
        when: when(object, event)?,
        location: text("LOCATION"),
        description: text("DESCRIPTION"),
        reminders: names_reminders.then_some(reminders),
        participants: event.lines().filter_map(participant).collect(),
        sequence: event.line("SEQUENCE").and_then(|line| line.value.parse().ok()).unwrap_or(0),
        status: event.line("STATUS").map(|line| line.value.to_ascii_uppercase()).unwrap_or_default(),
    })
}

/// The account that an ATTENDEE is: `urn:uuid:…`. Others are addresses.
pub(super) fn participant(line: &Line) -> Option<Uuid> {
    line.value.strip_prefix("urn:uuid:").filter(|_| line.is("ATTENDEE"))?.parse().ok()
}

fn when(object: &Component, event: &Component) -> Result<When, IcalError> {
    let start = event.line("DTSTART").ok_or(IcalError("an event without DTSTART"))?;
    let zone_name = start.parameter("TZID").or_else(|| Some(&*object.line("X-WR-TIMEZONE")?.value));
    let zone = zone_name.map_or_else(|| Some(Zone::utc()), Zone::find);
    let zone = zone.ok_or(IcalError("a zone that nobody knows"))?;
    let end = event.line("DTEND");
    let duration = event.line("DURATION").and_then(|line| alarm::seconds(&line.value));
    if start.value.len() == "YYYYMMDD".len() {
        let first = date(&start.value)?;
        let after = match (end, duration) {
            (Some(end), _) => date(&end.value)?.checked_sub(1.day()).ok(),
            (None, Some(seconds)) => first.checked_add((seconds / 86_400 - 1).days()).ok(),
            (None, None) => Some(first),
        };
        let last = after.ok_or(IcalError("an end outside of all years"))?.max(first);
        return Ok(When::Days { first, last, zone });
    }
    let start = instant(start, &zone)?;
    let end = match (end, duration) {
        (Some(end), _) => instant(end, &zone)?,
        (None, seconds) => start.plus(seconds.unwrap_or(0)),
    };
    Ok(When::Timed { start, end: end.max(start), zone })
}

/// `20260301`.
fn date(value: &str) -> Result<Date, IcalError> {
    Date::strptime("%Y%m%d", value).map_err(|_| IcalError("a date that is none"))
}

/// `20260301T100000Z` in UTC, `20260301T100000` in the line's zone, else the event's.
fn instant(line: &Line, zone: &Zone) -> Result<Instant, IcalError> {
    let read =
        |wall: &str| DateTime::strptime("%Y%m%dT%H%M%S", wall).map_err(|_| IcalError("a time that is none"));
    if let Some(utc) = line.value.strip_suffix('Z') {
        return Ok(Instant::from_utc(read(utc)?));
    }
    let own = match line.parameter("TZID") {
        Some(name) => Some(Zone::find(name).ok_or(IcalError("a zone that nobody knows"))?),
        None => None,
    };
    Ok(Instant::from_wall(read(&line.value)?, own.as_ref().unwrap_or(zone).rules()))
}
