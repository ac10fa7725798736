//! IANA time zones, from the database that is compiled in.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The same zones on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone that a user meant: its IANA name and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

// === impl Zone ===

impl Zone {
    /// UTC, where no zone is said.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The zone of this name; case does not matter, the answer's does.
    pub fn find(name: &str) -> Option<Self> {
        let rules = ZONES.get(name).ok()?;
        let name = rules.iana_name().filter(|name| *name != "Etc/Unknown")?.to_owned();
        Some(Self { name, rules })
    }

    /// The names of all zones, sorted.
    pub fn all() -> Vec<String> {
        let is_itself = |name: &String| Self::find(name).is_some_and(|zone| zone.name == *name);
        let mut names: Vec<_> =
            ZONES.available().map(|name| name.as_str().to_owned()).filter(is_itself).collect();
        names.sort_unstable();
        names
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rules.
    pub const fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// Whether this is plain UTC.
    pub fn is_utc(&self) -> bool {
        self.name == "UTC"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_iana_names() {
        assert_eq!(Zone::find("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::find("UTC"), Some(Zone::utc()));
        for unknown in ["", "Mars/Olympus", "Etc/Unknown", "+02:00", "Europe/Berlin ", "../etc/passwd"] {
            assert!(Zone::find(unknown).is_none(), "{unknown}");
        }
    }
}
