//! An event's row as its readers see it, written straight from the row: lists are long, and
//! what is only written need not be made first. The same members in the same order as
//! [`EventView`](crate::model::EventView).

use jiff_sqlx::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::EventRow;
use crate::model::Instant;

#[derive(Serialize)]
struct Seen<'a> {
    event_id: Uuid,
    calendar_id: Uuid,
    calendar_name: &'a str,
    event_name: &'a str,
    event_start: Moment,
    event_end: Moment,
    time_zone: &'a str,
    all_day: bool,
    location: &'a str,
    description: &'a str,
    participants: &'a [String],
    reminders: Minutes<'a>,
    created_by: &'a str,
    etag: Etag,
    created_at: Stamp,
    updated_at: Stamp,
    seq: i64,
}

/// A start or an end.
enum Moment {
    At(Instant),
    On(String),
}

/// Minutes as a column holds them; never negative.
struct Minutes<'a>(&'a [i32]);

struct Etag(i64);

/// An RFC 3339 date-time.
struct Stamp(Timestamp);

impl Serialize for EventRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (event_start, event_end) = match self.days() {
            Some((first, last)) => (Moment::On(first), Moment::On(last)),
            None => (Moment::At(self.starts_at), Moment::At(self.ends_at)),
        };
        let seen = Seen {
            event_id: self.event_id,
            calendar_id: self.calendar_id,
            calendar_name: &self.calendar_name,
            event_name: &self.summary,
            event_start,
            event_end,
            time_zone: &self.time_zone,
            all_day: self.all_day,
            location: &self.location,
            description: &self.description,
            participants: &self.participant_names,
            reminders: Minutes(&self.reminders),
            created_by: &self.created_by_name,
            etag: Etag(self.revision),
            created_at: Stamp(self.created_at),
            updated_at: Stamp(self.updated_at),
            seq: self.seq,
        };
        seen.serialize(serializer)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(instant) => match instant.to_utc() {
                Some(utc) => serializer.collect_str(&format_args!("{utc}Z")),
                None => serializer.serialize_str(""),
            },
            Self::On(day) => serializer.serialize_str(day),
        }
    }
}

impl Serialize for Minutes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|minutes| u32::try_from(*minutes).unwrap_or(0)))
    }
}

impl Serialize for Etag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("r{}", self.0))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.to_jiff())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> EventRow {
        let at = |text: &str| Timestamp::from(text.parse::<jiff::Timestamp>().unwrap());
        EventRow {
            event_id: Uuid::from_u128(7),
            calendar_id: Uuid::from_u128(8),
            calendar_name: "Família \"1\"".to_owned(),
            summary: "Dinner\u{2028}".to_owned(),
            starts_at: Instant::from_second(1_772_359_200),
            ends_at: Instant::from_second(1_772_362_800),
            time_zone: "Europe/Berlin".to_owned(),
            all_day: false,
            location: String::new(),
            description: "a\n\tb \\ \u{1f35d}".to_owned(),
            reminders: vec![10, 0, 40_320],
            participant_names: vec!["ann".to_owned(), "bob".to_owned()],
            created_by_name: "ann".to_owned(),
            revision: 12,
            seq: 42,
            created_at: at("2026-02-20T09:00:00Z"),
            updated_at: at("2026-02-20T09:00:00.120345Z"),
        }
    }

    #[test]
    fn a_row_reads_like_its_view() {
        let berlin_midnight = Instant::from_second(1_772_319_600);
        let rows = [
            row(),
            EventRow {
                all_day: true,
                starts_at: berlin_midnight,
                ends_at: berlin_midnight.plus(86_400),
                ..row()
            },
            EventRow { reminders: Vec::new(), participant_names: Vec::new(), ..row() },
            // The last second of the last year, and one that no year has.
            EventRow {
                starts_at: Instant::from_second(253_402_300_799),
                ends_at: Instant::from_second(253_402_300_800),
                ..row()
            },
            EventRow { time_zone: "Nowhere".to_owned(), all_day: true, ..row() },
        ];
        for row in rows {
            let json = serde_json::to_string(&row).unwrap();
            assert_eq!(json, serde_json::to_string(&row.into_view()).unwrap());
        }
    }

    #[test]
    fn an_event_of_whole_days_says_days() {
        let midnight = Instant::from_second(1_772_319_600);
        let row = EventRow { all_day: true, starts_at: midnight, ends_at: midnight.plus(86_400), ..row() };
        let json = serde_json::to_string(&row).unwrap();
        assert!(json.contains(r#""event_start":"2026-03-01","event_end":"2026-03-01""#), "{json}");
    }
}
