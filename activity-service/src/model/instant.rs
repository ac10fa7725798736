//! When an event happened: microseconds, years 0001 to 9999.
//!
//! `jiff::Timestamp` ends 26 hours before the year 9999 does; the contract takes
//! the whole year.

use std::fmt;

use jiff::{
    ToSpan as _,
    civil::{Date, DateTime, Time},
    fmt::temporal::Pieces,
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Microseconds since the epoch, as the database counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

// === impl Instant ===

impl Instant {
    /// The first instant of the year 0001.
    pub const FIRST: Self = Self(-719_162 * DAY);
    /// The last instant of the year 9999.
    pub const LAST: Self = Self(2_932_897 * DAY - 1);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This many seconds later, at most the last instant there is.
    pub fn plus(self, seconds: i64) -> Self {
        let moved = self.0.saturating_add(seconds.saturating_mul(SECOND));
        Self(moved.clamp(Self::FIRST.0, Self::LAST.0))
    }

    /// Microseconds from `earlier` to this.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Reads an ISO 8601 date-time; one without offset is UTC. What is finer
    /// than a microsecond is cut off.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be an ISO 8601 date-time such as 2021-02-28T16:23:25Z";
        let pieces = Pieces::parse(text).map_err(|_| RULE)?;
        let time = pieces.time().ok_or(RULE)?;
        if pieces.time_zone_annotation().is_some() {
            return Err(RULE);
        }
        let offset = pieces.to_numeric_offset().map_or(0, |offset| i64::from(offset.seconds()));
        Self::from_utc(pieces.date().to_datetime(time), offset).ok_or("must be in the years 0001 to 9999")
    }

    /// Reads the form of the original event, `YYYY-MM-DD HH:MM:SS` in UTC.
    pub fn read_plain(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be a UTC date-time such as 2021-02-28 16:23:25";
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if shape != "0000-00-00 00:00:00" {
            return Err(RULE);
        }
        let wall: DateTime = text.parse().map_err(|_| RULE)?;
        Self::from_utc(wall, 0).ok_or("must be in the years 0001 to 9999")
    }

    /// A wall clock that is `offset` seconds ahead of UTC.
    fn from_utc(wall: DateTime, offset: i64) -> Option<Self> {
        let days = epoch().until(wall.date()).ok()?.get_days();
        let time = wall.time();
        let seconds =
            i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second()) - offset;
        let micros = i64::from(days) * DAY + seconds * SECOND + i64::from(time.subsec_nanosecond()) / 1000;
        (Self::FIRST.0..=Self::LAST.0).contains(&micros).then_some(Self(micros))
    }

    fn to_utc(self) -> Option<DateTime> {
        let date = epoch().checked_add(self.0.div_euclid(DAY).days()).ok()?;
        let within = self.0.rem_euclid(DAY);
        let second = within / SECOND;
        let nanos = (within % SECOND * 1000) as i32;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        Time::new(hour as i8, minute as i8, second as i8, nanos).ok().map(|time| date.to_datetime(time))
    }
}

/// RFC 3339 UTC with `Z`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.to_utc().unwrap_or(DateTime::MAX);
        write!(f, "{utc}Z")
    }
}

fn epoch() -> Date {
    Date::constant(1970, 1, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn iso_8601_is_read_with_and_without_an_offset() {
        for (text, expected) in [
            ("2021-02-28T16:23:25Z", "2021-02-28T16:23:25Z"),
            ("2021-02-28T18:23:25+02:00", "2021-02-28T16:23:25Z"),
            ("2021-02-28t16:23:25z", "2021-02-28T16:23:25Z"),
            ("2021-02-28 16:23:25", "2021-02-28T16:23:25Z"),
            ("2021-02-28T16:23:25.1234567Z", "2021-02-28T16:23:25.123456Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(Instant::read(text).map(|at| at.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "now",
            "2021-02-28",
            "2021-02-30T00:00:00Z",
            "2021-02-28T25:00:00Z",
            "1614529405",
            "2021-02-28T16:23:25[Europe/Berlin]",
            "0001-01-01T00:00:00+01:00",
            "-000001-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert!(Instant::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_original_form_is_that_form_alone() {
        assert_eq!(Instant::read_plain("2021-02-28 16:22:52"), Instant::read("2021-02-28T16:22:52Z"));
        for text in ["2021-02-28T16:22:52", "2021-02-28 16:22", "2021-02-28 16:22:52Z", "2021-13-28 16:22:52"]
        {
            assert!(Instant::read_plain(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in Instant::FIRST.0..=Instant::LAST.0) {
            let at = Instant(micros);
            prop_assert_eq!(Instant::read(&at.to_string()), Ok(at));
        }
    }
}
