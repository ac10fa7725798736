//! From what a client says to what an event is: all complaints at once.

use chassis::fault::{Fault, Reason};
use uuid::Uuid;

use crate::{
    error::FieldErrors,
    ical::{Columns, EventContent},
    model::{
        Edit, EventFields, When, Zone, fold, read_date, read_date_time, read_name, read_reminders, read_text,
    },
};

/// Characters of a location.
const LOCATION: usize = 1_000;
/// Characters of a description.
const DESCRIPTION: usize = 10_000;
/// Participants, the creator not counted.
const PARTICIPANTS: usize = 200;
const REQUIRED: &str = "is required";

/// Merges `fields` into an event (none: a new one). The participants are still
/// those of the event: [`wanted`] and [`resolve`] say who they will be. Where no
/// reminders are named, or null, those of the calendar hold; an empty list means none.
pub(super) fn merge(
    fields: EventFields,
    base: Option<&Columns>,
    mut errors: FieldErrors,
) -> Result<EventContent, Fault> {
    let name = match fields.event_name {
        Edit::Set(name) => errors.take("event_name", read_name(&name)),
        Edit::Keep => errors.take("event_name", base.map(|base| base.summary.clone()).ok_or(REQUIRED)),
        Edit::Clear => errors.take("event_name", Err(REQUIRED)),
    };
    let text = |edit: Edit<String>, base: Option<&String>, longest: usize| match edit {
        Edit::Set(text) => read_text(&text, longest),
        Edit::Keep => Ok(base.cloned().unwrap_or_default()),
        Edit::Clear => Ok(String::new()),
    };
    let location = errors.take("location", text(fields.location, base.map(|base| &base.location), LOCATION));
    let description = text(fields.description, base.map(|base| &base.description), DESCRIPTION);
    let description = errors.take("description", description);
    let reminders = match fields.reminders {
        Edit::Set(minutes) => errors.take("reminders", read_reminders(&minutes).map(Some)),
        Edit::Keep => Some(base.and_then(|base| base.reminders.clone())),
        Edit::Clear => Some(None),
    };
    if fields.participants.set().is_some_and(|names| names.len() > PARTICIPANTS) {
        errors.add("participants", format!("must be at most {PARTICIPANTS}"));
    }
    let zone = match fields.time_zone {
        Edit::Set(name) => errors
            .take("time_zone", Zone::find(&name).ok_or("must be an IANA time zone such as Europe/Berlin")),
        Edit::Keep => base.map(|base| base.when.zone().clone()),
        Edit::Clear => None,
    };
    let all_day = match fields.all_day {
        Edit::Set(all_day) => all_day,
        Edit::Keep => base.is_some_and(|base| base.when.is_all_day()),
        Edit::Clear => false,
    };
    let start = said(fields.event_start, base.map(|base| base.when.start_text()));
    let end = said(fields.event_end, base.map(|base| base.when.end_text()));
    let when = read_when(start, end, zone.unwrap_or_else(Zone::utc), all_day, &mut errors);

    let participants = base.map(|base| base.participants.clone()).unwrap_or_default();
    let content = (|| {
        Some(EventContent {
            name: name?,
            when: when?,
            location: location?,
            description: description?,
            reminders: reminders?,
            participants,
        })
    })();
    errors.finish_with(content)
}

fn said(edit: Edit<String>, base: Option<String>) -> Result<String, &'static str> {
    match edit {
        Edit::Set(text) => Ok(text),
        Edit::Keep => base.ok_or(REQUIRED),
        Edit::Clear => Err(REQUIRED),
    }
}

fn read_when(
    start: Result<String, &'static str>,
    end: Result<String, &'static str>,
    zone: Zone,
    all_day: bool,
    errors: &mut FieldErrors,
) -> Option<When> {
    const ORDER: &str = "must not be before event_start";
    if all_day {
        let first = errors.take("event_start", start.and_then(|text| read_date(&text)));
        let last = errors.take("event_end", end.and_then(|text| read_date(&text)));
        let (first, last) = first.zip(last)?;
        errors.take("event_end", if last < first { Err(ORDER) } else { Ok(()) })?;
        return Some(When::Days { first, last, zone });
    }
    let start = errors.take("event_start", start.and_then(|text| read_date_time(&text, &zone)));
    let end = errors.take("event_end", end.and_then(|text| read_date_time(&text, &zone)));
    let (start, end) = start.zip(end)?;
    errors.take("event_end", if end < start { Err(ORDER) } else { Ok(()) })?;
    Some(When::Timed { start, end, zone })
}

/// The names that shall participate; none: they stay who they are.
pub(super) fn wanted(fields: &EventFields) -> Option<Vec<String>> {
    match &fields.participants {
        Edit::Set(names) => Some(names.clone()),
        Edit::Clear => Some(Vec::new()),
        Edit::Keep => None,
    }
}

/// The participants with these names among `members`: the creator first, where
/// they are still a member. `participant_unknown` with the names nobody has.
pub(super) fn resolve(
    wanted: &[String],
    members: Vec<(Uuid, String)>,
    creator: Option<(Uuid, String)>,
) -> Result<Vec<(Uuid, String)>, Fault> {
    let known: Vec<_> = members.iter().map(|(_, name)| fold(name)).collect();
    let mut unknown: Vec<_> = wanted.iter().filter(|name| !known.contains(&fold(name))).cloned().collect();
    if !unknown.is_empty() {
        unknown.dedup();
        let detail = format!("not a member of this calendar: {}", unknown.join(", "));
        return Err(Fault::new(Reason::ParticipantUnknown, detail).with_names(unknown));
    }
    let mut participants: Vec<(Uuid, String)> = creator.into_iter().collect();
    for member in members {
        if !participants.iter().any(|(account, _)| *account == member.0) {
            participants.push(member);
        }
    }
    Ok(participants)
}

#[cfg(test)]
mod tests;
