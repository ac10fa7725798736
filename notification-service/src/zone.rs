//! Wall clock and zone to instant, by the zones that are compiled in.
//!
//! A time that a zone's clocks leave out (spring forward) moves forward by the
//! gap; a time that they show twice means the first.

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::{TimeZone, TimeZoneDatabase},
};

/// The same zones on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of an IANA name, whatever its case.
pub fn find(name: &str) -> Option<TimeZone> {
    let zone = ZONES.get(name).ok()?;
    zone.iana_name().is_some_and(|name| name != "Etc/Unknown").then_some(zone)
}

/// The names of all zones.
pub fn names() -> impl Iterator<Item = String> {
    ZONES.available().map(|name| name.to_string())
}

/// Reads `YYYY-MM-DD HH:mm`, exactly.
pub fn read_wall(text: &str) -> Option<DateTime> {
    let bytes = text.as_bytes();
    let shape = b"0000-00-00 00:00";
    let fits = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            separator => byte == separator,
        });
    if !fits {
        return None;
    }
    let date = Date::new(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..10].parse().ok()?);
    let time = Time::new(text[11..13].parse().ok()?, text[14..].parse().ok()?, 0, 0);
    Some(date.ok()?.to_datetime(time.ok()?))
}

/// The instant at which the zone's clocks show this; none at the very end of
/// the year 9999.
pub fn instant(wall: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(wall).compatible().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(zone: &str, wall: &str) -> String {
        instant(read_wall(wall).unwrap(), &find(zone).unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_sources_example() {
        assert_eq!(at("America/Toronto", "2020-11-29 17:30"), "2020-11-29T22:30:00Z");
    }

    #[test]
    fn a_gap_moves_forward_and_a_fold_means_the_first() {
        assert_eq!(at("Europe/Berlin", "2026-03-29 02:30"), "2026-03-29T01:30:00Z");
        assert_eq!(at("Europe/Berlin", "2026-10-25 02:30"), "2026-10-25T00:30:00Z");
        // Half an hour, and a gap at midnight.
        assert_eq!(at("Australia/Lord_Howe", "2026-10-04 02:15"), "2026-10-03T15:45:00Z");
        assert_eq!(at("Africa/Cairo", "2026-04-24 00:30"), "2026-04-23T22:30:00Z");
    }

    #[test]
    fn names_are_iana_names() {
        assert!(find("europe/berlin").is_some() && find("UTC").is_some());
        for unknown in ["", "Mars/Olympus", "Etc/Unknown", "+02:00", "Europe/Berlin ", "../etc/passwd"] {
            assert!(find(unknown).is_none(), "{unknown}");
        }
        assert!(names().count() > 400);
    }

    #[test]
    fn only_the_one_format_is_read() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T10:00",
            "2026-3-01 10:00",
            "2026-03-01 10:00:00",
            "2026-03-01 24:00",
            "2026-02-30 10:00",
            "2026-13-01 10:00",
            "2026-03-01 10:60",
            "２026-03-01 10:00",
            "+026-03-01 10:00",
        ] {
            assert!(read_wall(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,20}|[0-9 :-]{16}") {
            let _ = read_wall(&text).map(|wall| instant(wall, &TimeZone::UTC));
        }

        #[test]
        fn outside_of_gaps_the_clocks_show_what_was_said(
            second in 1_600_000_000_i64..2_000_000_000,
            zone in prop::sample::select(vec!["Europe/Berlin", "America/Toronto", "Asia/Tokyo", "Pacific/Apia"]),
        ) {
            let zone = find(zone).unwrap();
            let wall = zone.to_datetime(Timestamp::from_second(second).unwrap());
            let found = instant(wall, &zone).unwrap();
            prop_assert_eq!(zone.to_datetime(found), wall);
            prop_assert!(found.as_second() <= second, "a fold means the first");
        }
    }
}
