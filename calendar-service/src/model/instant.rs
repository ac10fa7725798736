//! Instants of events: whole seconds, years 0001 to 9999.
//!
//! `jiff::Timestamp` ends 26 hours before the year 9999 does, so that every
//! offset can be applied to it; the contract takes the whole year.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

const DAY: i64 = 86_400;

/// Seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

// === impl Instant ===

impl Instant {
    /// From seconds since the epoch.
    pub const fn from_second(second: i64) -> Self {
        Self(second)
    }

    /// Seconds since the epoch.
    pub const fn as_second(self) -> i64 {
        self.0
    }

    /// Reads a UTC date-time; fractions of a second are cut off.
    pub fn from_utc(utc: DateTime) -> Self {
        let time = utc.time();
        let second = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        Self(days(utc.date()) * DAY + second)
    }

    /// Reads a wall clock in a zone: a time in a gap moves forward by the gap, a
    /// repeated time means the first.
    pub fn from_wall(wall: DateTime, zone: &TimeZone) -> Self {
        match zone.to_ambiguous_timestamp(wall).compatible() {
            Ok(timestamp) => Self(timestamp.as_second()),
            Err(_) => Self::from_utc(wall).plus(-Self::from_utc(wall).offset(zone)),
        }
    }

    /// This many seconds later.
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0 + seconds)
    }

    /// The UTC date-time; none outside the years 0001 to 9999.
    pub fn to_utc(self) -> Option<DateTime> {
        let days = self.0.div_euclid(DAY);
        let second = self.0.rem_euclid(DAY) as i32;
        let date = epoch().checked_add(days.days()).ok().filter(|date| date.year() >= 1)?;
        let time = Time::new((second / 3600) as i8, (second / 60 % 60) as i8, (second % 60) as i8, 0).ok()?;
        Some(date.to_datetime(time))
    }

    /// The wall clock in a zone; none outside the years 0001 to 9999.
    pub fn to_wall(self, zone: &TimeZone) -> Option<DateTime> {
        self.plus(self.offset(zone)).to_utc()
    }

    /// RFC 3339 UTC with `Z`.
    pub fn to_rfc3339(self) -> String {
        self.to_utc().map_or_else(String::new, |utc| format!("{utc}Z"))
    }

    /// The same with milliseconds, as reminders say it.
    pub fn to_rfc3339_millis(self) -> String {
        self.to_utc().map_or_else(String::new, |utc| format!("{utc}.000Z"))
    }

    /// The nearest instant that every part of the house can read: from the year
    /// 0001 to the end of `jiff::Timestamp`.
    pub fn clamped(self) -> Self {
        Self(self.0.clamp(-62_135_596_800, Timestamp::MAX.as_second()))
    }

    /// Seconds that the zone is ahead of UTC at this instant.
    fn offset(self, zone: &TimeZone) -> i64 {
        let second = self.0.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let timestamp = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        i64::from(zone.to_offset(timestamp).seconds())
    }
}

fn epoch() -> Date {
    Date::constant(1970, 1, 1)
}

/// Days since the epoch.
fn days(date: Date) -> i64 {
    // `until` in days between two dates cannot fail.
    epoch().until(date).map_or(0, |span| i64::from(span.get_days()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn the_whole_year_9999_is_there() {
        let last: DateTime = "9999-12-31T23:59:59".parse().unwrap();
        let instant = Instant::from_utc(last);
        assert_eq!(instant.to_rfc3339(), "9999-12-31T23:59:59Z");
        assert_eq!(instant.plus(1).to_utc(), None);
        let first: DateTime = "0001-01-01T00:00:00".parse().unwrap();
        assert_eq!(Instant::from_utc(first).to_rfc3339(), "0001-01-01T00:00:00Z");
        assert_eq!(Instant::from_utc(first).plus(-1).to_utc(), None);
        let tokyo = zone("Asia/Tokyo");
        assert_eq!(Instant::from_wall(last, &tokyo).to_wall(&tokyo), Some(last));
    }

    #[test]
    fn a_gap_moves_forward_and_a_fold_means_the_first() {
        let berlin = zone("Europe/Berlin");
        let at = |wall: &str| Instant::from_wall(wall.parse().unwrap(), &berlin).to_rfc3339();
        assert_eq!(at("2026-03-29T02:30:00"), "2026-03-29T01:30:00Z");
        assert_eq!(at("2026-10-25T02:30:00"), "2026-10-25T00:30:00Z");
    }

    proptest! {
        #[test]
        fn agrees_with_jiff_where_jiff_can_say(second in Timestamp::MIN.as_second()..Timestamp::MAX.as_second()) {
            let jiff = Timestamp::from_second(second).unwrap();
            let ours = Instant::from_second(second);
            let utc = TimeZone::UTC.to_datetime(jiff);
            prop_assert_eq!(ours.to_utc(), Some(utc).filter(|utc| utc.year() >= 1));
            prop_assert_eq!(Instant::from_utc(utc), ours);
            let berlin = zone("Europe/Berlin");
            prop_assert_eq!(ours.to_wall(&berlin), Some(berlin.to_datetime(jiff)).filter(|wall| wall.year() >= 1));
        }
    }
}
