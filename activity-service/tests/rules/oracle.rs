//! What should be told, worked out from the complete history in another way
//! than the rules do: every pair is looked at, nothing is remembered.

use std::collections::BTreeMap;

use activity_service::model::Instant;

/// Something that happened, as the story has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    Cancelled(u32),
    Finished(u32),
    Launched,
    Started(u32),
}

/// An event of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Happened {
    pub(crate) device: u32,
    pub(crate) at: Instant,
    pub(crate) what: What,
    /// More than an hour old when it arrived.
    pub(crate) too_old: bool,
}

/// How often each device has to hear what.
pub(crate) type Told = BTreeMap<(u32, String), i64>;

const MINUTE: i64 = 60_000_000;

/// What should be told of this history, in whatever order it is given.
pub(crate) fn expected(history: &[Happened]) -> Told {
    let mut history = history.to_vec();
    history.sort_unstable();
    history.dedup();
    let mut devices: BTreeMap<u32, Vec<Happened>> = BTreeMap::new();
    for happened in history {
        devices.entry(happened.device).or_default().push(happened);
    }
    let mut told = Told::new();
    for (device, events) in devices {
        for words in events.iter().filter_map(|event| words(event, &events)) {
            *told.entry((device, words)).or_default() += 1;
        }
    }
    told
}

/// What this event of a device makes somebody say.
fn words(event: &Happened, of_device: &[Happened]) -> Option<String> {
    let before = |other: &&Happened| (other.at, other.what) < (event.at, event.what);
    match event.what {
        What::Launched if !event.too_old => {
            let late = |other: &Happened| other.at.since(event.at);
            let in_time = |other: &Happened| (0..=10 * MINUTE).contains(&late(other));
            let started = |other: &Happened| matches!(other.what, What::Started(_)) && in_time(other);
            (!of_device.iter().any(started)).then(|| "Time to start your training!".to_owned())
        }
        What::Finished(programme) => {
            let same = |other: &&Happened| match other.what {
                What::Started(of) | What::Finished(of) | What::Cancelled(of) => of == programme,
                What::Launched => false,
            };
            let last =
                of_device.iter().filter(before).filter(same).max_by_key(|other| (other.at, other.what))?;
            let took = event.at.since(last.at);
            let counts = matches!(last.what, What::Started(_)) && took > 30 * MINUTE;
            counts.then(|| format!("Congratulations, you trained {} minutes today!", took / MINUTE))
        }
        _ => None,
    }
}

/// What is expected and was not heard, and what was heard and not expected.
pub(crate) fn difference(expected: &Told, heard: &Told) -> (i64, i64) {
    let count = |told: &Told, key: &(u32, String)| told.get(key).copied().unwrap_or(0);
    let lost = expected.iter().map(|(key, times)| (times - count(heard, key)).max(0)).sum();
    let unexpected = heard.iter().map(|(key, times)| (times - count(expected, key)).max(0)).sum();
    (lost, unexpected)
}
