//! Writes what we model into an object, and nothing else.

use jiff::{Timestamp, ToSpan as _, civil::Date};
use uuid::Uuid;

use super::{
    EventContent, IcalError, Stamp, alarm,
    content::{Component, Item, Line},
    read::{is_event, participant, read},
    text::escape,
};
use crate::model::{Instant, When, Zone};

/// A new object.
pub fn compose(content: &EventContent, stamp: Stamp) -> String {
    let line = |name: &str, value: String| Item::Line(Line::new(name, "", value));
    let mut event = Component::new(
        "VEVENT".to_owned(),
        vec![
            line("UID", stamp.event_id.to_string()),
            line("DTSTAMP", utc(stamp.at)),
            line("CREATED", utc(stamp.at)),
            line("LAST-MODIFIED", utc(stamp.at)),
            line("SEQUENCE", "0".to_owned()),
            line("SUMMARY", escape(&content.name)),
            line("ORGANIZER", address(stamp.organizer)),
        ],
    );
    put_text(&mut event, "LOCATION", &content.location);
    put_text(&mut event, "DESCRIPTION", &content.description);
    put_when(&mut event, &content.when);
    put_participants(&mut event, &content.participants);
    put_reminders(&mut event, content);
    let items = vec![
        line("VERSION", "2.0".to_owned()),
        line("PRODID", "-//Shared Calendar//calendar-service//EN".to_owned()),
        line("X-WR-TIMEZONE", content.when.zone().name().to_owned()),
        Item::Component(event),
    ];
    Component::new("VCALENDAR".to_owned(), items).to_text()
}

/// The object with this content. What is the same already, and what we do not
/// model, stays as it is, to the letter of its line.
pub fn edit(ical: &str, content: &EventContent, at: Timestamp) -> Result<String, IcalError> {
    let mut object = Component::parse(ical)?;
    let now = read(&object)?;
    let event = object.items.iter_mut().find_map(|item| match item {
        Item::Component(component) if is_event(component) => Some(component),
        _ => None,
    });
    let event = event.ok_or(IcalError("no event in it"))?;
    if now.summary != content.name {
        put_text(event, "SUMMARY", &content.name);
    }
    if now.location != content.location {
        put_text(event, "LOCATION", &content.location);
    }
    if now.description != content.description {
        put_text(event, "DESCRIPTION", &content.description);
    }
    if now.when != content.when {
        put_when(event, &content.when);
    }
    put_participants(event, &content.participants);
    put_reminders(event, content);
    event.put("SEQUENCE", Some(Line::new("SEQUENCE", "", now.sequence.saturating_add(1).to_string())));
    event.put("DTSTAMP", Some(Line::new("DTSTAMP", "", utc(at))));
    event.put("LAST-MODIFIED", Some(Line::new("LAST-MODIFIED", "", utc(at))));
    if now.when.zone() != content.when.zone() {
        object.put("X-WR-TIMEZONE", Some(Line::new("X-WR-TIMEZONE", "", content.when.zone().name())));
    }
    Ok(object.to_text())
}

/// The value of an ATTENDEE or ORGANIZER that is an account.
fn address(account: Uuid) -> String {
    format!("urn:uuid:{account}")
}

fn put_text(event: &mut Component, name: &str, text: &str) {
    let line = (!text.is_empty()).then(|| Line::new(name, "", escape(text)));
    event.put(name, line);
}

/// DTEND is exclusive and must be after DTSTART: an event without length has none.
fn put_when(event: &mut Component, when: &When) {
    event.put("DURATION", None);
    let (start, end) = match when {
        When::Timed { start, end, zone } => {
            let end = (end > start).then(|| time_line("DTEND", *end, zone));
            (time_line("DTSTART", *start, zone), end)
        }
        When::Days { first, last, .. } => {
            if last > first && *last == Date::MAX {
                // The day after is in no year: say the length instead.
                let days = first.until(*last).map_or(1, |span| span.get_days() + 1);
                event.put("DURATION", Some(Line::new("DURATION", "", format!("P{days}D"))));
            }
            let next = last.checked_add(1.day()).ok().filter(|_| last > first);
            (date_line("DTSTART", *first), next.map(|next| date_line("DTEND", next)))
        }
    };
    event.put("DTSTART", Some(start));
    event.put("DTEND", end);
}

fn date_line(name: &str, date: Date) -> Line {
    Line::new(name, ";VALUE=DATE", date.strftime("%Y%m%d").to_string())
}

/// A wall clock with its zone where that is the same instant when read back;
/// UTC where it is not (the second one of a repeated hour).
fn time_line(name: &str, instant: Instant, zone: &Zone) -> Line {
    let wall =
        instant.to_wall(zone.rules()).filter(|wall| Instant::from_wall(*wall, zone.rules()) == instant);
    if let Some(wall) = wall.filter(|_| !zone.is_utc()) {
        return Line::new(
            name,
            &format!(";TZID={}", zone.name()),
            wall.strftime("%Y%m%dT%H%M%S").to_string(),
        );
    }
    let utc = instant.to_utc().map(|utc| utc.strftime("%Y%m%dT%H%M%SZ").to_string());
    Line::new(name, "", utc.unwrap_or_default())
}

/// Keeps the lines of those who stay: a client may have put parameters there.
fn put_participants(event: &mut Component, participants: &[Uuid]) {
    let is_gone = |line: &Line| participant(line).is_some_and(|account| !participants.contains(&account));
    event.items.retain(|item| !matches!(item, Item::Line(line) if is_gone(line)));
    let there: Vec<_> = event.lines().filter_map(participant).collect();
    let place = event.items.iter().position(|item| matches!(item, Item::Component(_)));
    let new = participants.iter().filter(|account| !there.contains(account));
    let lines: Vec<_> = new.map(|account| Item::Line(Line::new("ATTENDEE", "", address(*account)))).collect();
    let place = place.unwrap_or(event.items.len());
    event.items.splice(place..place, lines);
}

/// Keeps the alarms that still hold, and all that are not ours.
fn put_reminders(event: &mut Component, content: &EventContent) {
    let reminders = content.reminders.as_deref().unwrap_or_default();
    let has_none = content.reminders.as_ref().is_some_and(Vec::is_empty);
    if has_none != event.line(alarm::NO_REMINDERS).is_some() {
        event.put(alarm::NO_REMINDERS, has_none.then(|| Line::new(alarm::NO_REMINDERS, "", "TRUE")));
    }
    let is_gone =
        |alarm: &Component| alarm::minutes(alarm).is_some_and(|minutes| !reminders.contains(&minutes));
    event.items.retain(|item| !matches!(item, Item::Component(alarm) if is_gone(alarm)));
    let there: Vec<_> = event.components().filter_map(alarm::minutes).collect();
    for minutes in reminders.iter().filter(|minutes| !there.contains(minutes)) {
        event.items.push(Item::Component(alarm::reminder(*minutes, &content.name)));
    }
}

fn utc(at: Timestamp) -> String {
    Instant::from_second(at.as_second())
        .to_utc()
        .map(|utc| utc.strftime("%Y%m%dT%H%M%SZ").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
