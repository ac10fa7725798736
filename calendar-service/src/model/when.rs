//! When an event is: from what clients send, to what clients see.
//!
//! In: RFC 3339 date-times; without offset they are read in the event's zone.
//! All-day events use dates, the last day included. Out: RFC 3339 UTC with `Z`.

use jiff::{
    ToSpan as _,
    civil::{Date, DateTime},
};

use super::{Instant, Zone};

/// Start, end and the zone that the user meant. The end is never before the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// From an instant to an instant, half-open; both may be the same one.
    Timed {
        /// The first instant.
        start: Instant,
        /// The instant after the last.
        end: Instant,
        /// The zone the user meant.
        zone: Zone,
    },
    /// Whole days.
    Days {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
        /// The zone whose days these are.
        zone: Zone,
    },
}

// === impl When ===

impl When {
    /// The zone the user meant.
    pub const fn zone(&self) -> &Zone {
        match self {
            Self::Timed { zone, .. } | Self::Days { zone, .. } => zone,
        }
    }

    /// Whether it is whole days.
    pub const fn is_all_day(&self) -> bool {
        matches!(self, Self::Days { .. })
    }

    /// The first instant: the index of the event.
    pub fn starts_at(&self) -> Instant {
        match self {
            Self::Timed { start, .. } => *start,
            Self::Days { first, zone, .. } => midnight(*first, zone),
        }
    }

    /// The instant after the last: the midnight after the last day.
    pub fn ends_at(&self) -> Instant {
        match self {
            Self::Timed { end, .. } => *end,
            Self::Days { last, zone, .. } => match last.checked_add(1.day()) {
                Ok(next) => midnight(next, zone),
                Err(_) => midnight(*last, zone).plus(86_400),
            },
        }
    }

    /// From the columns of the index.
    pub fn from_columns(starts_at: Instant, ends_at: Instant, zone: Zone, all_day: bool) -> Self {
        if !all_day {
            return Self::Timed { start: starts_at, end: ends_at, zone };
        }
        let day = |instant: Instant| instant.to_wall(zone.rules()).map(DateTime::date);
        let first = day(starts_at).unwrap_or(Date::MIN);
        // A second before the midnight after: also where midnights fall into a gap.
        let last = day(ends_at.plus(-1)).unwrap_or(Date::MAX);
        Self::Days { first, last, zone }
    }

    /// `event_start` as clients see it.
    pub fn start_text(&self) -> String {
        match self {
            Self::Timed { start, .. } => start.to_rfc3339(),
            Self::Days { first, .. } => first.to_string(),
        }
    }

    /// `event_end` as clients see it.
    pub fn end_text(&self) -> String {
        match self {
            Self::Timed { end, .. } => end.to_rfc3339(),
            Self::Days { last, .. } => last.to_string(),
        }
    }
}

fn midnight(day: Date, zone: &Zone) -> Instant {
    Instant::from_wall(day.to_datetime(jiff::civil::Time::midnight()), zone.rules())
}

/// Reads an RFC 3339 date-time; one without offset is a wall clock in `zone`.
/// Fractions of a second are cut off, a leap second is the second before it.
pub fn read_date_time(text: &str, zone: &Zone) -> Result<Instant, &'static str> {
    const RULE: &str = "must be an RFC 3339 date-time such as 2026-03-01T10:00:00Z";
    let (date, rest) = text.split_at_checked(10).ok_or(RULE)?;
    let date = read_date(date).map_err(|_| RULE)?;
    let rest = rest.strip_prefix(['T', 't', ' ']).ok_or(RULE)?;
    let (time, rest) = rest.split_at_checked(8).ok_or(RULE)?;
    let [hour, minute, second] = split(time, [0..2, 3..5, 6..8], b"\0\0:\0\0:\0\0").ok_or(RULE)?;
    let rest = after_fraction(rest).ok_or(RULE)?;
    let wall = date
        .at(0, 0, 0, 0)
        .with()
        .hour(hour)
        .minute(minute)
        .second(if second == 60 { 59 } else { second })
        .build()
        .map_err(|_| RULE)?;
    let instant = match rest {
        "" => Instant::from_wall(wall, zone.rules()),
        offset => Instant::from_utc(wall).plus(-read_offset(offset).ok_or(RULE)?),
    };
    instant.to_utc().map(|_| instant).ok_or("must lie within the years 0001 to 9999, in UTC")
}

/// Reads a full date, years 0001 to 9999.
pub fn read_date(text: &str) -> Result<Date, &'static str> {
    const RULE: &str = "must be a date such as 2026-03-01 for an all-day event";
    let [century, year, month, day] =
        split(text, [0..2, 2..4, 5..7, 8..10], b"\0\0\0\0-\0\0-\0\0").ok_or(RULE)?;
    let year = i16::from(century) * 100 + i16::from(year);
    Date::new(year, month, day).ok().filter(|date| date.year() >= 1).ok_or(RULE)
}

/// Reads two-digit numbers at `places` of a text that has exactly the length of
/// `shape` and its separators (a zero byte in the shape is a digit).
fn split<const N: usize>(text: &str, places: [std::ops::Range<usize>; N], shape: &[u8]) -> Option<[i8; N]> {
    let bytes = text.as_bytes();
    let fits = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
            0 => byte.is_ascii_digit(),
            separator => byte == separator,
        });
    fits.then(|| {
        places.map(|place| bytes[place].iter().fold(0, |number, digit| number * 10 + (digit - b'0') as i8))
    })
}

fn after_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix('.') else { return Some(text) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// Seconds ahead of UTC.
fn read_offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let [hours, minutes] = split(rest, [0..2, 3..5], b"\0\0:\0\0")?;
    (hours < 24 && minutes < 60).then(|| sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, zone: &str) -> String {
        read_date_time(text, &Zone::find(zone).unwrap()).map_or_else(str::to_owned, Instant::to_rfc3339)
    }

    #[test]
    fn an_offset_wins_over_the_zone_and_no_offset_means_the_zone() {
        assert_eq!(read("2026-03-01T10:00:00+02:00", "Asia/Tokyo"), "2026-03-01T08:00:00Z");
        assert_eq!(read("2026-03-01T10:00:00", "Asia/Tokyo"), "2026-03-01T01:00:00Z");
        assert_eq!(read("2026-03-01 10:00:00.999z", "Asia/Tokyo"), "2026-03-01T10:00:00Z");
        assert_eq!(read("2016-12-31T23:59:60Z", "UTC"), "2016-12-31T23:59:59Z");
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T10:00",
            "2026-3-1T10:00:00Z",
            "2026-02-30T10:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T10:00:00.Z",
            "2026-03-01T10:00:00+2",
            "2026-03-01T10:00:00+24:00",
            "2026-03-01T10:00:00ZZ",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-00:01",
            "10000-01-01T00:00:00Z",
            "2026-03-01T10:00:00 Z",
            "２０２６-03-01T10:00:00Z",
            "tomorrow",
        ] {
            assert!(read_date_time(text, &Zone::utc()).is_err(), "{text}");
        }
        assert!(read_date("2026-03-01T00:00:00Z").is_err() && read_date("0000-01-01").is_err());
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(second in -62_135_596_800_i64..=253_402_300_799) {
            let instant = Instant::from_second(second);
            prop_assert_eq!(read_date_time(&instant.to_rfc3339(), &Zone::utc()), Ok(instant));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|[0-9T:.+Z -]{0,30}") {
            let _ = read_date_time(&text, &Zone::utc());
            let _ = read_date(&text);
        }

        #[test]
        fn days_survive_the_index(
            first in -719_162_i32..2_932_896,
            length in 0_i32..400,
            zone in prop::sample::select(vec!["UTC", "America/Sao_Paulo", "Pacific/Apia", "Africa/Cairo", "Asia/Tokyo"]),
        ) {
            let epoch = Date::constant(1970, 1, 1);
            let first = epoch.checked_add(first.days()).unwrap();
            let last = first.checked_add(length.days()).unwrap_or(Date::MAX);
            let when = When::Days { first, last, zone: Zone::find(zone).unwrap() };
            prop_assert!(when.starts_at() < when.ends_at());
            // A day that a zone left out (Apia, 2011-12-30) has no instants of its own.
            let skipped = Date::constant(2011, 12, 30);
            prop_assume!(zone != "Pacific/Apia" || (first != skipped && last != skipped));
            let read = When::from_columns(when.starts_at(), when.ends_at(), when.zone().clone(), true);
            prop_assert_eq!(read, when);
        }
    }
}
